// Queries of a step, [T][Q_STRIDE] f32 from column Q_OFFSET on, not yet rotated. Needs rotate.wgsl and D.

override Q_STRIDE: u32; // numbers
override Q_OFFSET: u32;

@group(0) @binding(1) var<storage, read> q: array<f32>;

// Dimension d of a query, rotated.
fn query(token: u32, position: u32, head: u32, d: u32) -> f32 {
  let start = token * Q_STRIDE + Q_OFFSET + head * D;
  return rotated(q[start + d], q[start + partner(d)], d, position);
}
