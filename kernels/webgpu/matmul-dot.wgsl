// y = x W^T for weights in codes, by packed dot products of four signed bytes.
//
// A thread computes 4 rows for TOKENS tokens. LANES threads share the blocks of 32 k; neighbouring threads read
// neighbouring blocks.
// codes  4 bits: [N][K / 32] vec4<u32>, byte i of the 16 holds k = i in its low half, k = 16 + i in its high half
//        8 bits: [N][K / 16] vec4<u32>, signed bytes in the order of k
// scales of 4 rows x 32 k, see SCALES below
// x      [T][K / 16] vec4<u32> of signed bytes; x_scales [T][K / 32] (scale, sum of the 32 codes)

#include matmul-output

@group(0) @binding(1) var<storage, read> codes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> x_scales: array<vec2<f32>>;

override K: u32;
override GROUPS: u32; // of 4 rows
const NIBBLES = vec4<u32>(0x0f0f0f0f);

// Four float16 numbers in two words.
fn halves(words: vec2<u32>) -> vec4<f32> {
  return vec4(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn bytes_of(word: u32) -> vec4<f32> {
  return vec4<f32>(vec4(word & 255u, (word >> 8u) & 255u, (word >> 16u) & 255u, word >> 24u));
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let group = min((workgroup.x * WG + local) / LANES, GROUPS - 1u);
  let token = workgroup.y * TOKENS;
  let blocks = K / 32u;
  #for t TOKENS
  var y_$t = vec4<f32>();
  #end
  for (var block = lane; block < blocks; block += LANES) {
    let at = group * blocks + block; // of scales
    #if SCALES == d
    let d = halves(scales[at]);
    #end
    #if SCALES == dm
    let d = halves(scales[2u * at]);
    let m = halves(scales[2u * at + 1u]);
    #end
    #if SCALES == k
    let super_block = (at >> 3u) * 10u; // d and dmin, then scales and minimums of 8 blocks
    let parts = scales[super_block + 2u + (at & 7u)];
    let d = halves(scales[super_block]) * bytes_of(parts.x);
    let m = halves(scales[super_block + 1u]) * -bytes_of(parts.y);
    #end
    #for r 4
    let word_$r = ((4u * group + $ru) * blocks + block) * PLANES;
    #if PLANES == 2
    let first_$r = codes[word_$r];
    let second_$r = codes[word_$r + 1u];
    #else
    let both_$r = codes[word_$r];
    let first_$r = both_$r & NIBBLES;
    let second_$r = (both_$r >> vec4(4u)) & NIBBLES;
    #end
    #end
    #for t TOKENS
    {
      let x_word = (token + $tu) * (K / 16u) + 2u * block;
      let a = x[x_word];
      let b = x[x_word + 1u];
      let s = x_scales[(token + $tu) * blocks + block];
      #if SCALES == g16
      let ones = vec4(0x01010101u);
      let sums = vec2(f32(dot16(ones, a)), f32(dot16(ones, b)));
      #for r 4
      let part_$r = at * 8u + $ru * 2u;
      let d_$r = bitcast<vec2<f32>>(scales[part_$r]); // for each half of the block
      let m_$r = bitcast<vec2<f32>>(scales[part_$r + 1u]);
      let dots_$r = vec2(f32(dot16(first_$r, a)), f32(dot16(second_$r, b)));
      y_$t[$r] += s.x * (dot(d_$r, dots_$r) + dot(m_$r, sums));
      #end
      #else
      let sums = vec4<f32>(vec4(
        #for r 4
        dot16(first_$r, a) + dot16(second_$r, b),
        #end
      ));
      #if PLANES == 2
      y_$t += s.x * d * sums;
      #else
      #if SCALES == d
      y_$t += s.x * d * (sums - 8f * s.y);
      #else
      y_$t += s.x * (d * sums + m * s.y);
      #end
      #end
      #end
    }
    #end
  }
  #for t TOKENS
  output(token + $tu, group, lane, local, y_$t);
  #if ROUNDED
  round_outputs(token + $tu, workgroup.x, local);
  #end
  #end
}
