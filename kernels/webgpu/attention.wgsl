// Attention of queries over the cache, causal unless the slices are WHOLE, with online softmax (Milakov and Gimelshein), split by keys.
//
// Rows are (token, query head) of one kv head and one slice, 4 of them a tile: the lanes of a vec4. A workgroup computes
// a tile over at most step[STEP_SPLIT] keys, in chunks of 4 * WG. It writes a state for attention-merge, unless no row
// sees any of its keys:
// states [T][HEADS][SPLITS][1 + E4] vec4<f32>: (maximum, sum of exp, 0, 0), then the unscaled sum of values
//
// STORES (steps of one token a slice): the workgroup whose keys include the new one stores it in the cache first.

#include step
#include kv-cache

override WG: u32; // a power of two, at least D4 and E4
override HEADS: u32;
override SPLITS: u32;
override SCALE: f32;
#if CAPPED
override SOFTCAP: f32;
#end

#include window
#include query

@group(0) @binding(7) var<storage, read_write> states: array<vec4<f32>>;

#include thread
#include workgroup-reduce

const LOWEST = -1e30; // finite substitute for minus infinity, so that differences of maxima are not NaN
var<workgroup> queries: array<vec4<f32>, 4 * D4>; // by dimension
var<workgroup> weights: array<vec4<f32>, 4 * WG>; // by key of the chunk

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let group = HEADS / KV_HEADS;
  let kv_head = workgroup.z;

  // ----- rows
  var tile = workgroup.y;
  var number = 0u;
  var slice = slice_of(0u);
  loop {
    let tiles = (slice.count * group + 3u) / 4u;
    if (tile < tiles) {
      break;
    }
    tile -= tiles;
    number += 1u;
    if (number == step[STEP_SLICES]) {
      return;
    }
    slice = slice_of(number);
  }
  let rows = slice.count * group;
  let row = min(vec4(4u * tile) + vec4(0u, 1u, 2u, 3u), vec4(rows - 1u));
  let token = slice.first + row / group;
  let position = slice.position + row / group;
  let head = kv_head * group + row % group;

  // ----- keys
  let split = step[STEP_SPLIT];
  let run = workgroup.x * split;
  #if WHOLE
  let text = vec4(slice.position + slice.count);
  let seen = min(text, position + vec4(min(WINDOW, text.x))); // ends
  #else
  let seen = position + vec4(1u);
  #end
  let to = min(run + split, seen.w);
  let first_seen = first_position(position.x); // of all rows
  if (run >= to || run + split <= first_seen) {
    return;
  }
  let chunk_keys = 4u * WG;
  let begin = run + (max(first_seen, run) - run) / chunk_keys * chunk_keys;
  #if STORES
  if (to == seen.w) {
    for (var d4 = thread.local; d4 < max(D4, E4); d4 += WG) {
      store(slice.first, slice.sequence, position.w, kv_head, d4);
    }
    storageBarrier();
  }
  #end
  for (var d = thread.local; d < 4u * D4; d += WG) {
    if (d < D) {
      queries[d] = SCALE * vec4(
        query(token.x, position.x, head.x, d),
        query(token.y, position.y, head.y, d),
        query(token.z, position.z, head.z, d),
        query(token.w, position.w, head.w, d),
      );
    } else {
      queries[d] = vec4<f32>();
    }
  }
  workgroupBarrier();

  let parts = WG / E4; // of the keys, while values are summed
  let part = thread.local / E4;
  let my_e4 = thread.local % E4;
  var highest = vec4<f32>(LOWEST);
  var sums = vec4<f32>();
  #for r 4
  var out_$r = vec4<f32>(); // 4 dimensions of row $r
  #end
  #if WINDOWED
  let seen_from = vec4(
    first_position(position.x), first_position(position.y), first_position(position.z), first_position(position.w),
  );
  #end
  for (var chunk = begin; chunk < to; chunk += chunk_keys) {
    // ----- scores of 4 keys a thread
    #for j 4
    var scores_$j = vec4<f32>(LOWEST);
    let key_$j = chunk + $ju * WG + thread.local;
    if (chunk + $ju * WG < to) {
      var sum = vec4<f32>();
      let base = key_at(slice.sequence, kv_head, min(key_$j, POSITIONS - 1u), 0u);
      for (var d4 = 0u; d4 < D4; d4++) {
        let key = from_cache(keys[base + d4 * POSITIONS]);
        sum += queries[4u * d4] * key.x + queries[4u * d4 + 1u] * key.y +
          queries[4u * d4 + 2u] * key.z + queries[4u * d4 + 3u] * key.w;
      }
      #if CAPPED
      sum = SOFTCAP * tanh(clamp(sum / SOFTCAP, vec4(-10f), vec4(10f)));
      #end
      scores_$j = select(vec4(LOWEST), sum, (vec4(key_$j) < seen) & vec4(key_$j < to));
      #if WINDOWED
      scores_$j = select(vec4(LOWEST), scores_$j, vec4(key_$j) >= seen_from);
      #end
    }
    #end
    let chunk_highest = workgroup_max(thread, max(max(scores_0, scores_1), max(scores_2, scores_3)));
    let now = max(highest, chunk_highest);
    let fade = exp(highest - now);
    highest = now;
    sums *= fade;
    #for j 4
    let weight_$j = select(exp(scores_$j - now), vec4(0f), scores_$j <= vec4(LOWEST));
    weights[$ju * WG + thread.local] = weight_$j;
    sums += weight_$j;
    #end
    workgroupBarrier();

    // ----- values
    #for r 4
    out_$r *= fade[$r];
    #end
    let count = min(chunk_keys, to - chunk);
    if (part < parts) {
      for (var i = part; i < count; i += parts) {
        let value = from_cache(values[value_at(slice.sequence, kv_head, chunk + i, my_e4)]);
        let weight = weights[i];
        out_0 += weight.x * value;
        out_1 += weight.y * value;
        out_2 += weight.z * value;
        out_3 += weight.w * value;
      }
    }
    workgroupBarrier();
  }

  // ----- the state
  let total = workgroup_sum(thread, sums);
  #for r 4
  weights[$ru * WG + thread.local] = out_$r;
  #end
  workgroupBarrier();
  if (thread.local < E4) {
    #for r 4
    if (4u * tile + $ru < rows) {
      var all = vec4<f32>();
      for (var i = 0u; i < parts; i++) {
        all += weights[$ru * WG + i * E4 + thread.local];
      }
      let state = ((token[$r] * HEADS + head[$r]) * SPLITS + workgroup.x) * (1u + E4);
      states[state + 1u + thread.local] = all;
      if (thread.local == 0u) {
        states[state] = vec4(highest[$r], total[$r], 0f, 0f);
      }
    }
    #end
  }
}
