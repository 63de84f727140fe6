// Position of a thread in its workgroup; `lanes` is the size of its subgroup, whose threads have consecutive `local`.
// The id of the workgroup is a separate parameter: in this struct, it would not count as uniform.
struct Thread {
  @builtin(local_invocation_index) local: u32,
  #if SUBGROUPS
  @builtin(subgroup_size) lanes: u32,
  #end
}
