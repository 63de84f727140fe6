// out[t] = row of the table for token t, BY its id or its position. A thread computes 4 numbers.
//
// The table may be in parts of PART_ROWS rows each, the most that a binding holds; this part starts at row FIRST_ROW.
// out [T][OUT_STRIDE] vec4<f32>, from column OUT_OFFSET on

#include step

override WG: u32;
override K: u32;
override FIRST_ROW: u32;
override PART_ROWS: u32;
override OUT_STRIDE: u32; // vec4s
override OUT_OFFSET: u32;

@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

#include weights-at

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  let token = workgroup.y;
  #if BY == position
  let row = position_of(token) - FIRST_ROW;
  #else
  let row = token_id(token) - FIRST_ROW;
  #end
  if (i < K / 4u && row < PART_ROWS) {
    out[token * OUT_STRIDE + OUT_OFFSET + i] = weights_at(row, 4u * i);
  }
}
