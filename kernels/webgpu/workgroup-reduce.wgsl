// Reductions over the threads of a workgroup (a power of two of them); all threads come here together and all get the
// result. `lanes` is the size of a subgroup, whose threads are neighbours.

var<workgroup> slots: array<vec4<f32>, WG>;

#if SUBGROUPS
fn workgroup_sum(local: u32, lanes: u32, value: vec4<f32>) -> vec4<f32> {
  let part = subgroupAdd(value);
  if (local % lanes == 0u) {
    slots[local / lanes] = part;
  }
  workgroupBarrier();
  var all = slots[0];
  for (var i = 1u; i < WG / lanes; i++) {
    all += slots[i];
  }
  workgroupBarrier();
  return all;
}

fn workgroup_max(local: u32, lanes: u32, value: vec4<f32>) -> vec4<f32> {
  let part = subgroupMax(value);
  if (local % lanes == 0u) {
    slots[local / lanes] = part;
  }
  workgroupBarrier();
  var all = slots[0];
  for (var i = 1u; i < WG / lanes; i++) {
    all = max(all, slots[i]);
  }
  workgroupBarrier();
  return all;
}
#else
fn workgroup_sum(local: u32, lanes: u32, value: vec4<f32>) -> vec4<f32> {
  slots[local] = value;
  workgroupBarrier();
  for (var apart = WG / 2u; apart > 0u; apart /= 2u) {
    if (local < apart) {
      slots[local] += slots[local + apart];
    }
    workgroupBarrier();
  }
  let all = slots[0];
  workgroupBarrier();
  return all;
}

fn workgroup_max(local: u32, lanes: u32, value: vec4<f32>) -> vec4<f32> {
  slots[local] = value;
  workgroupBarrier();
  for (var apart = WG / 2u; apart > 0u; apart /= 2u) {
    if (local < apart) {
      slots[local] = max(slots[local], slots[local + apart]);
    }
    workgroupBarrier();
  }
  let all = slots[0];
  workgroupBarrier();
  return all;
}
#end
