// A linear recurrence, head by head, whose state S [N, P] is kept for each sequence:
//   S = exp(a dt) S + k u^T,  y = S^T q + skip v
// with u = beta v (RULE ssm) or u = beta (v - exp(a dt) S^T k) (RULE delta).
// A thread computes one column of a head for all tokens of a slice, one after the other.
//
// q, k [T] rows of GROUPS * N; v, out [T] rows of HEADS * P; dt, beta [T] rows of HEADS; each from its offset on
// rates: a [HEADS], and from SKIPS on skip [HEADS]; past [sequence][HEADS][N][P], each sequence padded to vec4s

#include step

override WG: u32; // threads of a workgroup
override HEADS: u32;
override GROUPS: u32; // of heads with the same q and k
override N: u32;
override P: u32;
override SKIPS: u32;
override PADDED: u32; // columns of a row of out, which ends with zeros
override Q_STRIDE: u32;
override Q_OFFSET: u32;
override K_STRIDE: u32;
override K_OFFSET: u32;
override V_STRIDE: u32;
override V_OFFSET: u32;
override DT_STRIDE: u32;
override DT_OFFSET: u32;
override BETA_STRIDE: u32;
override BETA_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> past: array<f32>;
@group(0) @binding(5) var<storage, read> v: array<f32>;
@group(0) @binding(6) var<storage, read> dt: array<f32>;
@group(0) @binding(7) var<storage, read> beta: array<f32>;
@group(0) @binding(8) var<storage, read> rates: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let column = workgroup.x * WG + local;
  let slice = slice_of(workgroup.y);
  if (column >= PADDED) {
    return;
  }
  if (column >= HEADS * P) {
    for (var t = slice.first; t < slice.first + slice.count; t++) {
      out[t * OUT_STRIDE + OUT_OFFSET + column] = 0f;
    }
    return;
  }
  let head = column / P;
  #if CYCLIC
  let key = head % GROUPS * N;
  #else
  let key = head * GROUPS / HEADS * N;
  #end
  let state = slice.sequence * ((HEADS * N * P + 3u) / 4u * 4u) + head * N * P + column % P;
  if (slice.position == 0u) {
    for (var n = 0u; n < N; n++) {
      past[state + n * P] = 0f;
    }
  }
  for (var t = slice.first; t < slice.first + slice.count; t++) {
    let q_row = t * Q_STRIDE + Q_OFFSET + key;
    let k_row = t * K_STRIDE + K_OFFSET + key;
    let value = v[t * V_STRIDE + V_OFFSET + column];
    let decay = exp(rates[head] * dt[t * DT_STRIDE + DT_OFFSET + head]);
    var written = value;
    #if RULE == delta
    var held = 0f;
    for (var n = 0u; n < N; n++) {
      held += past[state + n * P] * k[k_row + n];
    }
    written -= decay * held;
    #end
    written *= beta[t * BETA_STRIDE + BETA_OFFSET + head];
    var sum = rates[SKIPS + head] * value;
    for (var n = 0u; n < N; n++) {
      let next = decay * past[state + n * P] + k[k_row + n] * written;
      past[state + n * P] = next;
      sum += next * q[q_row + n];
    }
    out[t * OUT_STRIDE + OUT_OFFSET + column] = sum;
  }
}
