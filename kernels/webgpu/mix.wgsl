// out[t][c] = sum over i of weight[t][i] * x[t][i][c], of the COUNT picked experts. A thread computes one number.
//
// x [T][X_STRIDE], picks [T][PICKS_STRIDE], out [T][OUT_STRIDE] f32, from their offsets on

override WG: u32;
override COLS: u32;
override COUNT: u32;
override X_STRIDE: u32;
override X_OFFSET: u32;
override PICKS_STRIDE: u32;
override PICKS_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> picks: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let c = workgroup.x * WG + local;
  let token = workgroup.y;
  if (c >= COLS) {
    return;
  }
  let start = token * X_STRIDE + X_OFFSET + c;
  let weights = token * PICKS_STRIDE + PICKS_OFFSET + COUNT;
  var sum = 0f;
  for (var i = 0u; i < COUNT; i++) {
    sum += picks[weights + i] * x[start + i * COLS];
  }
  out[token * OUT_STRIDE + OUT_OFFSET + c] = sum;
}
