// y = x W^T of many tokens for float weights: tiles of 64 rows x 64 tokens in workgroup memory.
//
// Each iteration loads 16 k of both sides; then a thread multiplies 4 rows by 4 tokens. Layouts: matmul-float.wgsl.
// WG 256: thread r + 16 t computes rows 4r to 4r + 3 of the tile and tokens 4t to 4t + 3.

#include matmul-output

#include float-weights

@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

override K: u32; // padded to 4
override GROUPS: u32; // of 4 rows
override X_STRIDE: u32; // vec4s
override X_OFFSET: u32;
override TOKENS_PADDED: u32; // rows of x

var<workgroup> w_tile: array<array<vec4<f32>, 16>, 16>; // [k][4 rows]
var<workgroup> x_tile: array<array<f32, 64>, 16>; // [k][token]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = local % 16u;
  let t = local / 16u;
  let first_token = workgroup.y * 64u;
  let group = min(workgroup.x * 16u + r, GROUPS - 1u);
  let my_token = min(first_token + local / 4u, TOKENS_PADDED - 1u);
  #for t 4
  var y_$t = vec4<f32>();
  #end
  for (var first = 0u; first < K; first += 16u) {
    if (first + t < K) {
      w_tile[t][r] = weight(group * K + first + t);
    } else {
      w_tile[t][r] = vec4<f32>();
    }
    let k4 = local % 4u;
    var values = vec4<f32>();
    if (first + 4u * k4 < K) {
      values = x[my_token * X_STRIDE + X_OFFSET + first / 4u + k4];
    }
    for (var i = 0u; i < 4u; i++) {
      x_tile[4u * k4 + i][local / 4u] = values[i];
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let w = w_tile[k][r];
      #for t 4
      y_$t += w * x_tile[k][4u * t + $tu];
      #end
    }
    workgroupBarrier();
  }
  #for t 4
  if (first_token + 4u * t + $tu < TOKENS_PADDED) {
    output(first_token + 4u * t + $tu, workgroup.x * 16u + r, 0u, local, y_$t);
  }
  #end
}
