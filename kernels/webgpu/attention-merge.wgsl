// Merges the states of all splits of a row: out = sum of exp(m_i - m) values_i / sum of exp(m_i - m) sum_i.
// A workgroup computes one head of a token, a thread 4 dimensions.
//
// out [T][OUT_STRIDE] f32, from column OUT_OFFSET on; ROUNDED (D whole blocks of 32): four codes a word, and out_scales

#include step

override WG: u32; // at least D4
override HEADS: u32;
override D: u32;
override D4: u32;
override SPLITS: u32;
override OUT_STRIDE: u32; // numbers
override OUT_OFFSET: u32;

#include window
#if SINKS
@group(0) @binding(4) var<storage, read> sinks: array<f32>; // [HEADS]
#end

@group(0) @binding(1) var<storage, read> states: array<vec4<f32>>;
#if ROUNDED
#include round-block
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<storage, read_write> out_scales: array<vec2<f32>>;
var<workgroup> largest: array<f32, D4>;
var<workgroup> code_sums: array<i32, D4>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
#end

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let token = workgroup.y;
  let position = position_of(token);
  let begin = first_position(position) / step[STEP_SPLIT];
  let splits = position / step[STEP_SPLIT] + 1u;
  let first = (token * HEADS + head) * SPLITS * (1u + D4);
  var highest = states[first + begin * (1u + D4)].x;
  for (var i = begin + 1u; i < splits; i++) {
    highest = max(highest, states[first + i * (1u + D4)].x);
  }
  var sum = 0f;
  var values = vec4<f32>();
  let d4 = min(local, D4 - 1u);
  for (var i = begin; i < splits; i++) {
    let state = first + i * (1u + D4);
    let weight = exp(states[state].x - highest);
    sum += weight * states[state].y;
    values += weight * states[state + 1u + d4];
  }
  #if SINKS
  sum += exp(min(sinks[head] - highest, 88f));
  #end
  values /= sum;
  #if ROUNDED
  if (local < D4) {
    let size = abs(values);
    largest[local] = max(max(size.x, size.y), max(size.z, size.w));
  }
  workgroupBarrier();
  let block = d4 / 8u;
  var most = 0f;
  for (var i = 0u; i < 8u; i++) {
    most = max(most, largest[block * 8u + i]);
  }
  let codes = rounded(values, inverse_scale(most));
  if (local < D4) {
    code_sums[local] = codes.x + codes.y + codes.z + codes.w;
    out[(token * OUT_STRIDE + OUT_OFFSET + head * D) / 4u + local] = packed(codes);
  }
  workgroupBarrier();
  if (local < D4 && local % 8u == 0u) {
    var total = 0i;
    for (var i = 0u; i < 8u; i++) {
      total += code_sums[local + i];
    }
    out_scales[(token * OUT_STRIDE + OUT_OFFSET + head * D) / 32u + block] = vec2(most / 127f, f32(total));
  }
  #else
  if (local < D4) {
    let to = token * OUT_STRIDE + OUT_OFFSET + head * D + 4u * local;
    for (var i = 0u; i < min(4u, D - 4u * local); i++) {
      out[to + i] = values[i];
    }
  }
  #end
}
