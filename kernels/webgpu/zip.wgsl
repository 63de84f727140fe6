// out = fn(a, b), element by element. A thread computes 4 numbers.
//
// a, b, out [T][STRIDE] vec4<f32>, from their offsets on; WIDTH vec4s a row

override WG: u32;
override WIDTH: u32;
override A_STRIDE: u32; // vec4s
override A_OFFSET: u32;
override B_STRIDE: u32;
override B_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.y;
  let i = workgroup.x * WG + local;
  if (i >= WIDTH) {
    return;
  }
  let left = a[row * A_STRIDE + A_OFFSET + i];
  let right = b[row * B_STRIDE + B_OFFSET + i];
  #if FN == add
  let result = left + right;
  #end
  #if FN == mul
  let result = left * right;
  #end
  #if FN == clamped-swiglu
  let gate = min(left, vec4(7f));
  let result = gate / (1f + exp(min(-1.702f * gate, vec4(80f)))) * (clamp(right, vec4(-7f), vec4(7f)) + 1f);
  #end
  out[row * OUT_STRIDE + OUT_OFFSET + i] = result;
}
