// Each head of a, then that of b, head by head. A thread copies one number.
//
// a, b, out [T][STRIDE] f32, from their offsets on

override WG: u32;
override COLS: u32; // of out
override A_DIM: u32; // of a head
override B_DIM: u32;
override A_STRIDE: u32;
override A_OFFSET: u32;
override B_STRIDE: u32;
override B_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = workgroup.y;
  let c = workgroup.x * WG + local;
  if (c >= COLS) {
    return;
  }
  let head = c / (A_DIM + B_DIM);
  let d = c % (A_DIM + B_DIM);
  let to = row * OUT_STRIDE + OUT_OFFSET + c;
  if (d < A_DIM) {
    out[to] = a[row * A_STRIDE + A_OFFSET + head * A_DIM + d];
  } else {
    out[to] = b[row * B_STRIDE + B_OFFSET + head * B_DIM + d - A_DIM];
  }
}
