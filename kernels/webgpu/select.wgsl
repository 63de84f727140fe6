// out[s] = x[output_row(s)]. A thread copies 4 numbers.
//
// x, out [rows][STRIDE] vec4<f32>, from their offsets on; WIDTH vec4s a row

#include step

override WG: u32;
override WIDTH: u32;
override X_STRIDE: u32; // vec4s
override X_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  if (i < WIDTH) {
    out[workgroup.y * OUT_STRIDE + OUT_OFFSET + i] = x[output_row(workgroup.y) * X_STRIDE + X_OFFSET + i];
  }
}
