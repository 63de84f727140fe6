// The step[STEP_COUNT] largest logits of each row, in no order, and the sum for logSumExp. Ties go to the lowest ids.
// The smallest of these logits is found digit by digit, from 4 histograms of 8 bits (radix selection).
// A workgroup computes one row.
//
// logits [S][STRIDE] f32, from column OFFSET on
// out    [S][2 + 2 * MOST]: maximum, sum of exp(logit - maximum), then ids, then logits (floats as their bits)

#include step

override WG: u32; // a power of two
override COLS: u32;
override STRIDE: u32; // numbers
override OFFSET: u32;
override MOST: u32;

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

#include thread
#include workgroup-reduce

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> digit: u32;
var<workgroup> missing: u32; // number of the largest logits still to find among those with the settled digits
var<workgroup> taken: atomic<u32>;
var<workgroup> equals: array<u32, WG>; // logits equal to the smallest, by thread

// Integers in the order of the floats.
fn key_of(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let row = workgroup.x * STRIDE + OFFSET;
  let to = workgroup.x * (2u + 2u * MOST);
  let count = step[STEP_COUNT];

  // ----- the smallest of the largest, from its high digit down
  if (thread.local == 0u) {
    missing = count;
    atomicStore(&taken, 0u);
  }
  var smallest = 0u;
  for (var round = 0u; round < 4u; round++) {
    let shift = 24u - 8u * round;
    for (var i = thread.local; i < 256u; i += WG) {
      atomicStore(&histogram[i], 0u);
    }
    workgroupBarrier();
    for (var i = thread.local; i < COLS; i += WG) {
      let key = key_of(logits[row + i]);
      // Compare the settled digits above this one. The first round has none, and WGSL cannot shift by 32.
      if (round == 0u || (key >> (shift + 8u)) == (smallest >> (shift + 8u))) {
        atomicAdd(&histogram[(key >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if (thread.local == 0u) {
      var left = missing;
      var d = 255u;
      loop {
        let here = atomicLoad(&histogram[d]);
        if (here >= left || d == 0u) {
          break;
        }
        left -= here;
        d -= 1u;
      }
      digit = d;
      missing = left;
    }
    smallest |= workgroupUniformLoad(&digit) << shift;
  }

  // ----- all logits above it, and the first ones equal to it: each thread owns a run of ids
  let run = (COLS + WG - 1u) / WG;
  let first = thread.local * run;
  let end = min(first + run, COLS);
  var equal = 0u;
  for (var i = first; i < end; i++) {
    let key = key_of(logits[row + i]);
    if (key > smallest) {
      let place = atomicAdd(&taken, 1u);
      out[to + 2u + place] = i;
      out[to + 2u + MOST + place] = bitcast<u32>(logits[row + i]);
    }
    equal += u32(key == smallest);
  }
  equals[thread.local] = equal;
  workgroupBarrier();
  var place = 0u;
  for (var i = 0u; i < thread.local; i++) {
    place += equals[i];
  }
  for (var i = first; i < end && place < missing; i++) {
    if (key_of(logits[row + i]) == smallest) {
      out[to + 2u + count - missing + place] = i;
      out[to + 2u + MOST + count - missing + place] = bitcast<u32>(logits[row + i]);
      place += 1u;
    }
  }

  // ----- maximum and sum of exponentials
  var highest = vec4(-3.4e38f);
  for (var i = thread.local; i < COLS; i += WG) {
    highest = max(highest, vec4(logits[row + i]));
  }
  let most = workgroup_max(thread, highest).x;
  var sum = vec4<f32>();
  for (var i = thread.local; i < COLS; i += WG) {
    sum.x += exp(logits[row + i] - most);
  }
  let total = workgroup_sum(thread, sum).x;
  if (thread.local == 0u) {
    out[to] = bitcast<u32>(most);
    out[to + 1u] = bitcast<u32>(total);
  }
}
