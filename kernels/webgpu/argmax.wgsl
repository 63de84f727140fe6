// Argmax of the logits of each slice; ties go to the lowest id. The id becomes the next token of its slice, so that the
// same program can run again without the host. A workgroup computes one slice.
//
// logits [slices][STRIDE] f32, from column OFFSET on; ids [MAX_SLICES][MOST]

#include step

override WG: u32; // a power of two
override COLS: u32;
override STRIDE: u32; // numbers
override OFFSET: u32;
override MOST: u32;

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;

var<workgroup> best_values: array<f32, WG>;
var<workgroup> best_ids: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let number = workgroup.x;
  let row = number * STRIDE + OFFSET;
  var best = local;
  var value = logits[row + min(local, COLS - 1u)];
  for (var i = local + WG; i < COLS; i += WG) {
    let other = logits[row + i];
    if (other > value) {
      value = other;
      best = i;
    }
  }
  best_values[local] = value;
  best_ids[local] = min(best, COLS - 1u);
  workgroupBarrier();
  for (var apart = WG / 2u; apart > 0u; apart /= 2u) {
    if (local < apart) {
      let other = local + apart;
      let larger = best_values[other] > best_values[local];
      let first = best_values[other] == best_values[local] && best_ids[other] < best_ids[local];
      if (larger || first) {
        best_values[local] = best_values[other];
        best_ids[local] = best_ids[other];
      }
    }
    workgroupBarrier();
  }
  if (local == 0u) {
    let slice = slice_of(number);
    let next = slice.position + slice.count;
    let fed = STEP_ARRAYS + 4u * MAX_TOKENS + 4u * MAX_SLICES + number; // number of ids of this slice so far
    ids[number * MOST + step[fed]] = best_ids[0];
    step[fed] += 1u;
    step[STEP_ARRAYS + number] = best_ids[0];
    step[STEP_ARRAYS + MAX_TOKENS + number] = next;
    step[STEP_ARRAYS + 2u * MAX_TOKENS + number] = slice.sequence;
    step[STEP_ARRAYS + 3u * MAX_TOKENS + number] = number;
    let at = STEP_ARRAYS + 4u * MAX_TOKENS + 4u * number;
    step[at] = number;
    step[at + 1u] = 1u;
    step[at + 3u] = next;
  }
}
