// out[i] = exp(x[i] - max) / sum over j of exp(x[j] - max). A workgroup computes one row.
//
// x, out [T][STRIDE] vec4<f32>, from their offsets on

#include x-to-out

override COLS: u32;

#include thread
#include workgroup-reduce
#include row-ends

const LOWEST = -3.4e38;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let start = workgroup.x * X_STRIDE + X_OFFSET;
  let to = workgroup.x * OUT_STRIDE + OUT_OFFSET;
  let length = (COLS + 3u) / 4u;
  var highest = vec4<f32>(LOWEST);
  for (var i = thread.local; i < length; i += WG) {
    highest = max(highest, select(vec4(LOWEST), x[start + i], within_row(i)));
  }
  let all = workgroup_max(thread, highest);
  let most = max(max(all.x, all.y), max(all.z, all.w));
  var sums = vec4<f32>();
  for (var i = thread.local; i < length; i += WG) {
    sums += select(vec4(0f), exp(x[start + i] - most), within_row(i));
  }
  let total = dot(workgroup_sum(thread, sums), vec4(1f));
  for (var i = thread.local; i < length; i += WG) {
    out[to + i] = select(vec4(0f), exp(x[start + i] - most) / total, within_row(i));
  }
}
