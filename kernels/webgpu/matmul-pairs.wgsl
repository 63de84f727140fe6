// y = x W^T for weights in codes, without packed dot products: one multiplication serves two rows.
//
// A word of codes holds 4 bits for 4 k of two rows: bits 4i of its low half belong to row 2p, of its high half to
// row 2p + 1, at k = 4j + i. One product with x adds to both halves. After 32 k, with 8 subtracted from each code,
// each half is within 32 * 8 * 127 < 2^15, so the two sums can be separated. Codes of 8 bits are two such planes.
//
// A thread computes 8 rows (4 pairs, the lanes of a vec4) for TOKENS tokens; LANES threads share the blocks of 32 k.
// codes  [N / 8][K / 32][PLANES][8] vec4<u32>
// scales of a block of 8 rows x 32 k, see SCALES below
// x      [T][K / 4] four bytes, each a code + 128; x_scales [T][K / 32] (scale, sum of the 32 codes)

#include matmul-output

@group(0) @binding(1) var<storage, read> codes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> scales: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x: array<u32>;
@group(0) @binding(4) var<storage, read> x_scales: array<vec2<f32>>;

override K: u32;
override GROUPS: u32; // of 8 rows
const MASK = vec4<i32>(0x000f000f);
const EIGHTS = 0x00080008;
const HIGH = 1f / 65536f;

struct Pair {
  low: vec4<f32>, // even rows
  high: vec4<f32>, // odd rows
}

fn halves(words: vec4<u32>) -> Pair {
  let a = unpack2x16float(words.x);
  let b = unpack2x16float(words.y);
  let c = unpack2x16float(words.z);
  let d = unpack2x16float(words.w);
  return Pair(vec4(a.x, b.x, c.x, d.x), vec4(a.y, b.y, c.y, d.y));
}

// The sums of even rows, from the low 16 bits of each pair. The rest of a pair is the sum of the odd row times 2^16.
fn low_sums(pairs: vec4<i32>) -> vec4<i32> {
  return ((pairs & vec4(0xffff)) ^ vec4(0x8000)) - vec4(0x8000);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let group = min((workgroup.x * WG + local) / LANES, GROUPS - 1u);
  let token = workgroup.y * TOKENS;
  let blocks = K / 32u;
  #for t TOKENS
  var low_$t = vec4<f32>();
  var high_$t = vec4<f32>();
  #end
  for (var block = lane; block < blocks; block += LANES) {
    let at = group * blocks + block;
    #if SCALES == d
    let d = halves(scales[at]);
    #end
    #if SCALES == dm
    let d = halves(scales[2u * at]);
    let m = halves(scales[2u * at + 1u]);
    let low_m = m.low + 8f * d.low;
    let high_m = m.high + 8f * d.high;
    #end
    #if SCALES == k
    let super_block = (at >> 3u) * 10u; // d and dmin, then scales and minimums of 8 blocks
    let d_all = halves(scales[super_block]);
    let m_all = halves(scales[super_block + 1u]);
    let parts = scales[super_block + 2u + (at & 7u)];
    let d = Pair(d_all.low * vec4<f32>(parts & vec4(255u)), d_all.high * vec4<f32>((parts >> vec4(8u)) & vec4(255u)));
    let low_m = 8f * d.low - m_all.low * vec4<f32>((parts >> vec4(16u)) & vec4(255u));
    let high_m = 8f * d.high - m_all.high * vec4<f32>(parts >> vec4(24u));
    #end
    var word = at * PLANES * 8u;
    var x_word = token * (K / 4u) + block * 8u;
    #for half HALVES
    #for t TOKENS
    var sums_$t_$half = vec4<i32>();
    #if PLANES == 2
    var upper_$t_$half = vec4<i32>();
    #end
    #if SCALES == g16
    var total_$t_$half = 0i;
    #end
    #end
    for (var j = 0u; j < 8u / HALVES; j++) {
      let c = bitcast<vec4<i32>>(codes[word]);
      let c0 = c & MASK;
      let c1 = (c >> vec4(4u)) & MASK;
      let c2 = (c >> vec4(8u)) & MASK;
      let c3 = (c >> vec4(12u)) & MASK;
      #if PLANES == 2
      let u = bitcast<vec4<i32>>(codes[word + 8u]);
      let u0 = u & MASK;
      let u1 = (u >> vec4(4u)) & MASK;
      let u2 = (u >> vec4(8u)) & MASK;
      let u3 = (u >> vec4(12u)) & MASK;
      #end
      #for t TOKENS
      let bytes_$t = x[x_word + $tu * (K / 4u)];
      let x0_$t = i32(bytes_$t & 255u) - 128;
      let x1_$t = i32((bytes_$t >> 8u) & 255u) - 128;
      let x2_$t = i32((bytes_$t >> 16u) & 255u) - 128;
      let x3_$t = i32(bytes_$t >> 24u) - 128;
      sums_$t_$half += c0 * x0_$t + c1 * x1_$t + c2 * x2_$t + c3 * x3_$t;
      #if PLANES == 2
      upper_$t_$half += u0 * x0_$t + u1 * x1_$t + u2 * x2_$t + u3 * x3_$t;
      #end
      #if SCALES == g16
      total_$t_$half += x0_$t + x1_$t + x2_$t + x3_$t;
      #end
      #end
      word += 1u;
      x_word += 1u;
    }
    #end
    #for t TOKENS
    let s_$t = x_scales[(token + $tu) * blocks + block];
    #if SCALES == g16
    #for half HALVES
    {
      let eights = EIGHTS * total_$t_$half;
      let lower = sums_$t_$half - eights;
      let upper = upper_$t_$half - eights;
      let lower_low = low_sums(lower);
      let upper_low = low_sums(upper);
      let sum = f32(total_$t_$half);
      let part = at * 8u + $halfu * 4u;
      let d_low = bitcast<vec4<f32>>(scales[part]);
      let d_high = bitcast<vec4<f32>>(scales[part + 1u]);
      let m_low = bitcast<vec4<f32>>(scales[part + 2u]);
      let m_high = bitcast<vec4<f32>>(scales[part + 3u]);
      low_$t += s_$t.x * (d_low * (vec4<f32>(16 * upper_low + lower_low) + 8f * sum) + m_low * sum);
      high_$t += s_$t.x * (d_high * (HIGH * (16f * vec4<f32>(upper - upper_low) + vec4<f32>(lower - lower_low)) + 8f * sum) +
        m_high * sum);
    }
    #end
    #else
    {
      let eights = EIGHTS * i32(s_$t.y);
      let lower = sums_$t_0 - eights;
      let lower_low = low_sums(lower);
      #if PLANES == 2
      let upper = upper_$t_0 - eights;
      let upper_low = low_sums(upper);
      low_$t += s_$t.x * d.low * (vec4<f32>(16 * upper_low + lower_low) + 8f * s_$t.y);
      high_$t += s_$t.x * d.high *
        (HIGH * (16f * vec4<f32>(upper - upper_low) + vec4<f32>(lower - lower_low)) + 8f * s_$t.y);
      #else
      #if SCALES == d
      low_$t += s_$t.x * (d.low * vec4<f32>(lower_low));
      high_$t += s_$t.x * HIGH * (d.high * vec4<f32>(lower - lower_low));
      #else
      low_$t += s_$t.x * (d.low * vec4<f32>(lower_low) + low_m * s_$t.y);
      high_$t += s_$t.x * (d.high * HIGH * vec4<f32>(lower - lower_low) + high_m * s_$t.y);
      #end
      #end
    }
    #end
    #end
  }
  #for t TOKENS
  output(token + $tu, 2u * group, lane, local, vec4(low_$t.x, high_$t.x, low_$t.y, high_$t.y));
  output(token + $tu, 2u * group + 1u, lane, local, vec4(low_$t.z, high_$t.z, low_$t.w, high_$t.w));
  #if ROUNDED
  round_outputs(token + $tu, workgroup.x, local);
  #end
  #end
}
