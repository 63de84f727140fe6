// Reductions over the WG threads of a workgroup; WG is a power of two. All threads must call them together, and all get
// the result. Needs thread.wgsl.

var<workgroup> slots: array<vec4<f32>, WG>;

#if SUBGROUPS
fn workgroup_sum(thread: Thread, value: vec4<f32>) -> vec4<f32> {
  let part = subgroupAdd(value);
  if (thread.local % thread.lanes == 0u) {
    slots[thread.local / thread.lanes] = part;
  }
  workgroupBarrier();
  var all = slots[0];
  for (var i = 1u; i < WG / thread.lanes; i++) {
    all += slots[i];
  }
  workgroupBarrier();
  return all;
}

fn workgroup_max(thread: Thread, value: vec4<f32>) -> vec4<f32> {
  let part = subgroupMax(value);
  if (thread.local % thread.lanes == 0u) {
    slots[thread.local / thread.lanes] = part;
  }
  workgroupBarrier();
  var all = slots[0];
  for (var i = 1u; i < WG / thread.lanes; i++) {
    all = max(all, slots[i]);
  }
  workgroupBarrier();
  return all;
}
#else
fn workgroup_sum(thread: Thread, value: vec4<f32>) -> vec4<f32> {
  slots[thread.local] = value;
  workgroupBarrier();
  for (var apart = WG / 2u; apart > 0u; apart /= 2u) {
    if (thread.local < apart) {
      slots[thread.local] += slots[thread.local + apart];
    }
    workgroupBarrier();
  }
  let all = slots[0];
  workgroupBarrier();
  return all;
}

fn workgroup_max(thread: Thread, value: vec4<f32>) -> vec4<f32> {
  slots[thread.local] = value;
  workgroupBarrier();
  for (var apart = WG / 2u; apart > 0u; apart /= 2u) {
    if (thread.local < apart) {
      slots[thread.local] = max(slots[thread.local], slots[thread.local + apart]);
    }
    workgroupBarrier();
  }
  let all = slots[0];
  workgroupBarrier();
  return all;
}
#end
