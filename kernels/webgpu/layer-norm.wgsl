// out = (x - mean(x)) / sqrt(variance(x) + EPS) * weight + bias. A workgroup computes one row. BIAS: whether there is one.
//
// x, out [T][STRIDE] vec4<f32>, from their offsets on; weight, bias [COLS], padded with zeros

#include x-to-out

override COLS: u32;
override EPS: f32;

@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
#end

#include thread
#include workgroup-reduce
#include row-ends

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let start = workgroup.x * X_STRIDE + X_OFFSET;
  let to = workgroup.x * OUT_STRIDE + OUT_OFFSET;
  let length = (COLS + 3u) / 4u;
  var sums = vec4<f32>();
  for (var i = thread.local; i < length; i += WG) {
    sums += select(vec4(0f), x[start + i], within_row(i));
  }
  let mean = dot(workgroup_sum(thread, sums), vec4(1f)) / f32(COLS);
  var squares = vec4<f32>();
  for (var i = thread.local; i < length; i += WG) {
    let value = select(vec4(0f), x[start + i] - mean, within_row(i));
    squares += value * value;
  }
  let variance = dot(workgroup_sum(thread, squares), vec4(1f)) / f32(COLS);
  let factor = 1f / sqrt(variance + EPS);
  for (var i = thread.local; i < length; i += WG) {
    var value = (x[start + i] - mean) * factor * weight[i];
    #if BIAS
    value += bias[i];
    #end
    out[to + i] = value;
  }
}
