// out = x / sqrt(mean(x^2) + EPS) * weight, for every head of COLS columns. A workgroup computes one head of a row.
//
// x, out [T][STRIDE] vec4, from their offsets on, as f32: heads need not begin at a vec4; weight [COLS], or
// [HEADS * COLS] of own weights of each head

override WG: u32; // threads of a workgroup
override X_STRIDE: u32;
override X_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;
override COLS: u32;
override HEADS: u32;
override WEIGHT_STEP: u32; // from the weights of a head to those of the next, or 0
override EPS: f32;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

#include thread
#include workgroup-reduce

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let head = workgroup.x;
  let start = 4u * (workgroup.y * X_STRIDE + X_OFFSET) + head * COLS;
  let to = 4u * (workgroup.y * OUT_STRIDE + OUT_OFFSET) + head * COLS;
  var squares = 0f;
  for (var i = thread.local; i < COLS; i += WG) {
    squares += x[start + i] * x[start + i];
  }
  let sum = workgroup_sum(thread, vec4(squares, 0f, 0f, 0f)).x;
  let factor = 1f / sqrt(sum / f32(COLS) + EPS);
  for (var i = thread.local; i < COLS; i += WG) {
    out[to + i] = x[start + i] * factor * weight[WEIGHT_STEP * head + i];
  }
  // The row ends with zeros, to the next vec4.
  if (head == HEADS - 1u && thread.local < (4u - HEADS * COLS % 4u) % 4u) {
    out[to + COLS + thread.local] = 0f;
  }
}
