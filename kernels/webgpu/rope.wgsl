// Rotates every head of x by its position. A thread computes one number.
//
// x, out [T][STRIDE] f32, from their offsets on; HEADS heads of D

#include step

override WG: u32;
override HEADS: u32;
override D: u32;
override PAIRS: u32;
override X_STRIDE: u32; // numbers
override X_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

#include rotate

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  if (i >= HEADS * D) {
    return;
  }
  let token = workgroup.y;
  let d = i % D;
  let head = token * X_STRIDE + X_OFFSET + i - d;
  out[token * OUT_STRIDE + OUT_OFFSET + i] = rotated(x[head + d], x[head + partner(d)], d, position_of(token));
}
