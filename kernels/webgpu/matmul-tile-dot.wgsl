// y = x W^T of many tokens, by packed dot products: tiles of 64 rows x 64 tokens in workgroup memory.
//
// Each iteration loads 32 k of both sides; then a thread multiplies 4 rows by 4 tokens. Layouts: matmul-dot.wgsl.
// WG 256: thread r + 16 t computes rows 4r to 4r + 3 of the tile and tokens 4t to 4t + 3.

#include matmul-output

@group(0) @binding(1) var<storage, read> codes: array<vec4<u32>>;
#include dot-scales
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> x_scales: array<vec2<f32>>;

override K: u32;
override GROUPS: u32; // of 4 rows
override TOKENS_PADDED: u32; // rows of x
const NIBBLES = vec4<u32>(0x0f0f0f0f);

var<workgroup> w_tile: array<array<u32, 64>, 8>; // [4 k][row]
var<workgroup> x_tile: array<array<u32, 64>, 8>; // [4 k][token]
var<workgroup> w_scales: array<array<vec2<f32>, 64>, HALVES>; // scale and minimum of a row
var<workgroup> x_tile_scales: array<vec2<f32>, 64>;

// Loads 32 codes of a row (threads 0 to 63) or a token (64 to 127) as 8 words; the other threads load the scales.
fn load_block(local: u32, first_row: u32, first_token: u32, block: u32) {
  let i = local % 64u;
  if (local < 64u) {
    let row = min(first_row + i, 4u * GROUPS - 1u);
    #if PLANES == 2
    let first = codes[(row * (K / 32u) + block) * 2u];
    let second = codes[(row * (K / 32u) + block) * 2u + 1u];
    #else
    let both = codes[row * (K / 32u) + block];
    let first = both & NIBBLES;
    let second = (both >> vec4(4u)) & NIBBLES;
    #end
    for (var j = 0u; j < 4u; j++) {
      w_tile[j][i] = first[j];
      w_tile[4u + j][i] = second[j];
    }
  } else if (local < 128u) {
    let at = min(first_token + i, TOKENS_PADDED - 1u) * (K / 16u) + 2u * block;
    let first = x[at];
    let second = x[at + 1u];
    for (var j = 0u; j < 4u; j++) {
      x_tile[j][i] = first[j];
      x_tile[4u + j][i] = second[j];
    }
  } else if (local < 192u) {
    let row = min(first_row + i, 4u * GROUPS - 1u);
    for (var half = 0u; half < HALVES; half++) {
      w_scales[half][i] = row_scale(row, block, half);
    }
  } else {
    x_tile_scales[i] = x_scales[min(first_token + i, TOKENS_PADDED - 1u) * (K / 32u) + block];
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = local % 16u;
  let t = local / 16u;
  let first_row = workgroup.x * 64u;
  let first_token = workgroup.y * 64u;
  #for t 4
  var y_$t = vec4<f32>();
  #end
  for (var block = 0u; block < K / 32u; block++) {
    load_block(local, first_row, first_token, block);
    workgroupBarrier();
    #for half HALVES
    {
      #for t 4
      var sums_$t = vec4<i32>();
      var ones_$t = 0i;
      #end
      for (var j = $halfu * 8u / HALVES; j < ($halfu + 1u) * 8u / HALVES; j++) {
        #for i 4
        let w_$i = w_tile[j][4u * r + $iu];
        #end
        #for t 4
        let x_$t = x_tile[j][4u * t + $tu];
        sums_$t += vec4(
          dot4I8Packed(w_0, x_$t), dot4I8Packed(w_1, x_$t), dot4I8Packed(w_2, x_$t), dot4I8Packed(w_3, x_$t)
        );
        #if SCALES == g16
        ones_$t += dot4I8Packed(0x01010101u, x_$t);
        #end
        #end
      }
      #for i 4
      let scale_$i = w_scales[$half][4u * r + $iu];
      #end
      let d = vec4(scale_0.x, scale_1.x, scale_2.x, scale_3.x);
      let m = vec4(scale_0.y, scale_1.y, scale_2.y, scale_3.y);
      #for t 4
      let s_$t = x_tile_scales[4u * t + $tu];
      #if SCALES == g16
      y_$t += s_$t.x * (d * vec4<f32>(sums_$t) + m * f32(ones_$t));
      #else
      y_$t += s_$t.x * (d * vec4<f32>(sums_$t) + m * s_$t.y);
      #end
      #end
    }
    #end
    workgroupBarrier();
  }
  #for t 4
  if (first_token + 4u * t + $tu < TOKENS_PADDED) {
    output(first_token + 4u * t + $tu, workgroup.x * 16u + r, 0u, local, y_$t);
  }
  #end
}
