// out[s] = x[output_row(s)]. A thread copies 4 numbers.
//
// x, out [rows][STRIDE] vec4<f32>, from their offsets on; WIDTH vec4s a row

#include step
#include x-to-out

override WIDTH: u32;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  if (i < WIDTH) {
    out[workgroup.y * OUT_STRIDE + OUT_OFFSET + i] = x[output_row(workgroup.y) * X_STRIDE + X_OFFSET + i];
  }
}
