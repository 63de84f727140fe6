// out = x / sqrt(mean(x^2) + EPS) * weight. A workgroup computes one row.
//
// x, out [T][STRIDE] vec4<f32>, from their offsets on; weight [COLS], padded with zeros

#include x-to-out

override COLS: u32;
override EPS: f32;

@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;

#include thread
#include workgroup-reduce
#include row-ends

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let start = workgroup.x * X_STRIDE + X_OFFSET;
  let to = workgroup.x * OUT_STRIDE + OUT_OFFSET;
  var squares = vec4<f32>();
  for (var i = thread.local; i < (COLS + 3u) / 4u; i += WG) {
    let value = select(vec4(0f), x[start + i], within_row(i));
    squares += value * value;
  }
  let sum = dot(workgroup_sum(thread, squares), vec4(1f));
  let factor = 1f / sqrt(sum / f32(COLS) + EPS);
  for (var i = thread.local; i < (COLS + 3u) / 4u; i += WG) {
    out[to + i] = x[start + i] * factor * weight[i];
  }
}
