// The COUNT experts of a row of logits, best first, then their weights (kernels/reference/route.ts). A workgroup computes
// a row. An expert's place is the number of better ones, so no round of comparisons waits for another.
//
// x [T][X_STRIDE], out [T][OUT_STRIDE] f32, from their offsets on

override WG: u32;
override EXPERTS: u32;
override COUNT: u32;
override GROUPS: u32; // 1 without
override GROUPS_USED: u32;
override SCALE: f32;
override X_STRIDE: u32;
override X_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
#if BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>;
#end
#if SCALES
@group(0) @binding(4) var<storage, read> scales: array<f32>;
#end

const LOWEST = -3.4e38;

var<workgroup> scores: array<f32, EXPERTS>;
var<workgroup> merits: array<f32, EXPERTS>; // scores with the bias
var<workgroup> qualities: array<f32, GROUPS>;
var<workgroup> picked: array<u32, COUNT>;

// Turns the logits in `scores` into scores; every thread reads all of them.
fn score_of(e: u32) -> f32 {
  #if BY == sigmoid
  return 1f / (1f + exp(-scores[e]));
  #else
  var most = LOWEST;
  for (var i = 0u; i < EXPERTS; i++) {
    most = max(most, scores[i]);
  }
  var sum = 0f;
  for (var i = 0u; i < EXPERTS; i++) {
    sum += exp(scores[i] - most);
  }
  return exp(scores[e] - most) / sum;
  #end
}

// The two largest merits of a group, added.
fn quality_of(group: u32) -> f32 {
  let size = EXPERTS / GROUPS;
  var first = LOWEST;
  var second = LOWEST;
  for (var e = group * size; e < (group + 1u) * size; e++) {
    second = max(second, min(first, merits[e]));
    first = max(first, merits[e]);
  }
  return select(first, first + second, size > 1u);
}

fn is_used(group: u32) -> bool {
  var better = 0u;
  for (var i = 0u; i < GROUPS; i++) {
    better += u32(qualities[i] > qualities[group] || (qualities[i] == qualities[group] && i < group));
  }
  return better < GROUPS_USED;
}

fn place_of(e: u32) -> u32 {
  var better = 0u;
  for (var i = 0u; i < EXPERTS; i++) {
    better += u32(merits[i] > merits[e] || (merits[i] == merits[e] && i < e));
  }
  return better;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let start = workgroup.x * X_STRIDE + X_OFFSET;
  for (var e = local; e < EXPERTS; e += WG) {
    scores[e] = x[start + e];
  }
  for (var i = local; i < COUNT; i += WG) {
    picked[i] = 0u; // stays so for logits that are NaN
  }
  workgroupBarrier();
  for (var e = local; e < EXPERTS; e += WG) {
    merits[e] = score_of(e);
  }
  workgroupBarrier();
  for (var e = local; e < EXPERTS; e += WG) {
    scores[e] = merits[e];
    #if BIAS
    merits[e] += bias[e];
    #end
  }
  workgroupBarrier();
  #if GROUPED
  for (var group = local; group < GROUPS; group += WG) {
    qualities[group] = quality_of(group);
  }
  workgroupBarrier();
  for (var e = local; e < EXPERTS; e += WG) {
    if (!is_used(e / (EXPERTS / GROUPS))) {
      merits[e] = LOWEST;
    }
  }
  workgroupBarrier();
  #end
  for (var e = local; e < EXPERTS; e += WG) {
    let place = place_of(e);
    if (place < COUNT) {
      picked[place] = e;
    }
  }
  workgroupBarrier();
  var sum = 1f;
  #if NORMALIZED
  sum = 0f;
  for (var i = 0u; i < COUNT; i++) {
    sum += scores[picked[i]];
  }
  #end
  let to = workgroup.x * OUT_STRIDE + OUT_OFFSET;
  for (var i = local; i < COUNT; i += WG) {
    let e = picked[i];
    var weight = scores[e] / sum * SCALE;
    #if SCALES
    weight *= scales[e];
    #end
    out[to + i] = f32(e);
    out[to + COUNT + i] = weight;
  }
}
