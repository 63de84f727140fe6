// Layout of a step: counts, then one run of words for each kind of number, MAX_TOKENS or MAX_SLICES long.

override MAX_TOKENS: u32;
override MAX_SLICES: u32;

#if STEP_WRITTEN
@group(0) @binding(0) var<storage, read_write> step: array<u32>;
#else
@group(0) @binding(0) var<storage, read> step: array<u32>;
#end

const STEP_SLICES = 0u; // number of slices
const STEP_SPLIT = 1u; // keys that a workgroup of attention reads
const STEP_COUNT = 2u; // number of candidates that top-k keeps
const STEP_ARRAYS = 4u;

fn token_id(token: u32) -> u32 {
  return step[STEP_ARRAYS + token];
}

fn position_of(token: u32) -> u32 {
  return step[STEP_ARRAYS + MAX_TOKENS + token];
}

fn sequence_of(token: u32) -> u32 {
  return step[STEP_ARRAYS + 2u * MAX_TOKENS + token];
}

fn output_row(output: u32) -> u32 {
  return step[STEP_ARRAYS + 3u * MAX_TOKENS + output];
}

struct Slice {
  first: u32, // token
  count: u32,
  sequence: u32,
  position: u32, // of its first token
}

fn slice_of(slice: u32) -> Slice {
  let at = STEP_ARRAYS + 4u * MAX_TOKENS + 4u * slice;
  return Slice(step[at], step[at + 1u], step[at + 2u], step[at + 3u]);
}
