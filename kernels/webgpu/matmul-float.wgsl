// y = x W^T for float weights.
//
// A thread computes 4 rows for TOKENS tokens; LANES threads share k, in runs of 4.
// weights F32: [N / 4][K] vec4<f32> over the 4 rows; F16: the same in half the bytes
// x       [T][X_STRIDE] vec4<f32>, from column X_OFFSET on; beyond K, x or weights are zero and the other is finite

#include matmul-output

#include float-weights

@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

override K: u32; // padded to 4
override GROUPS: u32; // of 4 rows
override X_STRIDE: u32; // vec4s
override X_OFFSET: u32;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % LANES;
  let group = min((workgroup.x * WG + local) / LANES, GROUPS - 1u);
  let token = workgroup.y * TOKENS;
  #for t TOKENS
  var y_$t = vec4<f32>();
  #end
  for (var k = lane; k < K / 4u; k += LANES) {
    let at = group * K + 4u * k;
    let w0 = weight(at);
    let w1 = weight(at + 1u);
    let w2 = weight(at + 2u);
    let w3 = weight(at + 3u);
    #for t TOKENS
    let x_$t = x[(token + $tu) * X_STRIDE + X_OFFSET + k];
    y_$t += w0 * x_$t.x + w1 * x_$t.y + w2 * x_$t.z + w3 * x_$t.w;
    #end
  }
  #for t TOKENS
  output(token + $tu, group, lane, local, y_$t);
  #end
}
