// Rotates the keys of the step and stores keys and values in the cache. A thread stores 4 dimensions of a head of a
// token.

#include step
#include kv-cache

override WG: u32;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = workgroup.x * WG + local;
  let width = max(D4, E4);
  if (i < KV_HEADS * width) {
    let token = workgroup.y;
    store(token, sequence_of(token), position_of(token), i / width, i % width);
  }
}
