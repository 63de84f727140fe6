// Causal convolution of each column by itself, over the rows in the state of a sequence and those of the step:
//   y[t][c] = bias[c] + sum over j of weight[c][j] * x[t - (TAPS - 1) + j][c]
// A thread computes 4 columns of all tokens of a slice and updates their state.
//
// x, out [T][STRIDE] vec4<f32>, from their offsets on; WIDTH vec4s a row
// weights [COLS][TAPS] f32; bias [COLS] f32, if BIAS; past [sequence][TAPS - 1][WIDTH] vec4<f32>: the rows of x before the next

#include step
#include x-to-out

override COLS: u32;
override WIDTH: u32;

@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> past: array<vec4<f32>>;

#if BIAS
@group(0) @binding(5) var<storage, read> bias: array<f32>;
#end

const BEFORE = TAPS - 1u; // rows before a token's own

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  if (i >= WIDTH) {
    return;
  }
  let slice = slice_of(workgroup.y);
  let column = min(vec4(4u * i) + vec4(0u, 1u, 2u, 3u), vec4(COLS - 1u));
  var taps: array<vec4<f32>, TAPS>;
  for (var j = 0u; j < TAPS; j++) {
    let at = column * TAPS + j;
    taps[j] = vec4(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
  }
  let kept = slice.sequence * BEFORE * WIDTH + i;
  var rows: array<vec4<f32>, BEFORE>; // before the token's own
  for (var j = 0u; j < BEFORE; j++) {
    if (slice.position > 0u) {
      rows[j] = past[kept + j * WIDTH];
    }
  }
  var shift = vec4(0f);
  #if BIAS
  shift = vec4(bias[column.x], bias[column.y], bias[column.z], bias[column.w]);
  #end
  for (var t = slice.first; t < slice.first + slice.count; t++) {
    let row = x[t * X_STRIDE + X_OFFSET + i];
    var sum = shift + taps[BEFORE] * row;
    for (var j = 0u; j < BEFORE; j++) {
      sum += taps[j] * rows[j];
    }
    out[t * OUT_STRIDE + OUT_OFFSET + i] = sum;
    for (var j = 0u; j + 1u < BEFORE; j++) {
      rows[j] = rows[j + 1u];
    }
    rows[BEFORE - 1u] = row;
  }
  for (var j = 0u; j < BEFORE; j++) {
    past[kept + j * WIDTH] = rows[j];
  }
}
