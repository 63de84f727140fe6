// Peak rates of a device: READ combines an array with xor; otherwise multiplies in registers. One output a thread.

override WG: u32;
override ITERATIONS: u32; // each reads a vec4, or computes 32 products of 4 bytes (of 2 codes, without packed dots)

#if READ
@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;
#end
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  #if READ
  let threads = groups.x * WG;
  var sum = vec4<u32>();
  for (var i = 0u; i < ITERATIONS; i++) {
    sum ^= source[i * threads + id.x];
  }
  out[id.x] = sum.x ^ sum.y ^ sum.z ^ sum.w;
  #else
  #for i 8
  var sum_$i = vec4<i32>(vec4(id.x + $iu));
  #end
  let x = bitcast<i32>(id.x * 2654435761u);
  for (var i = 0u; i < ITERATIONS; i++) {
    #for i 8
    #if PACKED_DOT
    sum_$i += vec4(
      dot4I8Packed(u32(sum_$i.x), u32(x)), dot4I8Packed(u32(sum_$i.y), u32(x)),
      dot4I8Packed(u32(sum_$i.z), u32(x)), dot4I8Packed(u32(sum_$i.w), u32(x)),
    );
    #else
    sum_$i += (sum_$i & vec4<i32>(0x000f000f)) * x;
    #end
    #end
  }
  var all = vec4<i32>();
  #for i 8
  all ^= sum_$i;
  #end
  out[id.x] = u32(all.x ^ all.y ^ all.z ^ all.w);
  #end
}
