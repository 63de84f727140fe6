// Where a thread stands in its workgroup; `lanes` is the size of its subgroup, whose threads are neighbours in `local`.
// The workgroup's own place is a parameter beside it: in one struct with these, it would not count as uniform.
struct Thread {
  @builtin(local_invocation_index) local: u32,
  #if SUBGROUPS
  @builtin(subgroup_size) lanes: u32,
  #end
}
