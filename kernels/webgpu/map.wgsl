// out = fn(x), element by element; GATED: fn(x) * up. A thread computes 4 numbers.
//
// x, up, out [T][STRIDE] vec4<f32>, from their offsets on; WIDTH vec4s a row

#include x-to-out

override WIDTH: u32;

#if GATED
override UP_STRIDE: u32;
override UP_OFFSET: u32;
@group(0) @binding(2) var<storage, read> up: array<vec4<f32>>;
#end
#for i SCALARS
@group(0) @binding(4$i) var<storage, read> scalar$i: array<f32>; // [1]
#end

alias Numbers = vec4<f32>;
#include map-function

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.y;
  let i = workgroup.x * WG + local;
  if (i >= WIDTH) {
    return;
  }
  var result = mapped(x[row * X_STRIDE + X_OFFSET + i]);
  #if GATED
  result *= up[row * UP_STRIDE + UP_OFFSET + i];
  #end
  out[row * OUT_STRIDE + OUT_OFFSET + i] = result;
}
