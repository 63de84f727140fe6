// Activations for products with coded weights: normalized if NORM, and rounded to 8 bits in blocks of 32.
// A workgroup prepares one row, a thread one block.
//
// x          [T][X_STRIDE] vec4<f32>, from column X_OFFSET on
// weight     [COLS] of the norm: x / sqrt(mean(x^2) + EPS) * weight
// out        [T][COLS / 4] four codes a word; out_scales [T][COLS / 32] (scale, sum of the 32 codes)

override WG: u32;
override COLS: u32; // whole blocks of 32
override X_STRIDE: u32; // vec4s
override X_OFFSET: u32;

#include round-block
#include thread

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_scales: array<vec2<f32>>;
#if NORM
override EPS: f32;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
#include workgroup-reduce
#end

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, thread: Thread) {
  let row = workgroup.x;
  let start = row * X_STRIDE + X_OFFSET;
  #if NORM
  var squares = vec4<f32>();
  for (var i = thread.local; i < COLS / 4u; i += WG) {
    let value = x[start + i];
    squares += value * value;
  }
  let sum = dot(workgroup_sum(thread, squares), vec4(1f));
  let factor = 1f / sqrt(sum / f32(COLS) + EPS);
  #end
  for (var block = thread.local; block < COLS / 32u; block += WG) {
    #for i 8
    #if NORM
    let v_$i = x[start + block * 8u + $iu] * factor * weight[block * 8u + $iu];
    #else
    let v_$i = x[start + block * 8u + $iu];
    #end
    #end
    var most = vec4<f32>();
    #for i 8
    most = max(most, abs(v_$i));
    #end
    let largest = max(max(most.x, most.y), max(most.z, most.w));
    let inverse = inverse_scale(largest);
    var total = vec4<i32>();
    #for i 8
    let codes_$i = rounded(v_$i, inverse);
    total += codes_$i;
    out[row * (COLS / 4u) + block * 8u + $iu] = packed(codes_$i);
    #end
    out_scales[row * (COLS / 32u) + block] = vec2(largest / 127f, f32(total.x + total.y + total.z + total.w));
  }
}
