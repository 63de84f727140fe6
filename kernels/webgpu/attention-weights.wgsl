// Attention weights of the only token of a step. Its scores are computed again from the cache and normalized with the
// maximum and the sum over all states of attention. A workgroup computes WG keys of a query head, a thread one key.
//
// weights [HEADS][P] f32, where P is the number of positions that the token sees; states: see attention.wgsl

#include step
#include kv-cache

override WG: u32;
override HEADS: u32;
override SPLITS: u32;
override SCALE: f32;
#if CAPPED
override SOFTCAP: f32;
#end
#if SINKS
@group(0) @binding(9) var<storage, read> sinks: array<f32>; // [HEADS]
#end

#include window
#include query

@group(0) @binding(7) var<storage, read> states: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> weights: array<f32>;

var<workgroup> scaled: array<f32, 4 * D4>; // the query, by dimension

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let slice = slice_of(0u);
  let head = workgroup.y;
  for (var d = local; d < 4u * D4; d += WG) {
    if (d < D) {
      scaled[d] = SCALE * query(slice.first, slice.position, head, d);
    } else {
      scaled[d] = 0f;
    }
  }
  workgroupBarrier();
  let key = workgroup.x * WG + local;
  if (key > slice.position) {
    return;
  }
  let first_seen = first_position(slice.position);
  if (key < first_seen) {
    weights[head * (slice.position + 1u) + key] = 0f;
    return;
  }
  var score = 0f;
  let base = key_at(slice.sequence, head / (HEADS / KV_HEADS), key, 0u);
  for (var d4 = 0u; d4 < D4; d4++) {
    let part = from_cache(keys[base + d4 * POSITIONS]);
    score += scaled[4u * d4] * part.x + scaled[4u * d4 + 1u] * part.y +
      scaled[4u * d4 + 2u] * part.z + scaled[4u * d4 + 3u] * part.w;
  }
  #if CAPPED
  score = SOFTCAP * tanh(clamp(score / SOFTCAP, -10f, 10f));
  #end

  let begin = first_seen / step[STEP_SPLIT];
  let splits = slice.position / step[STEP_SPLIT] + 1u;
  let first = head * SPLITS * (1u + E4);
  var highest = states[first + begin * (1u + E4)].x;
  for (var i = begin + 1u; i < splits; i++) {
    highest = max(highest, states[first + i * (1u + E4)].x);
  }
  var sum = 0f;
  for (var i = begin; i < splits; i++) {
    let state = states[first + i * (1u + E4)];
    sum += exp(state.x - highest) * state.y;
  }
  #if SINKS
  sum += exp(min(sinks[head] - highest, 88f));
  #end
  weights[head * (slice.position + 1u) + key] = exp(score - highest) / sum;
}
