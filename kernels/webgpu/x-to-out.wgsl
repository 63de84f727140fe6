// Kernels that compute rows of `out` from rows of `x`. Row t of each begins at vec4 t * STRIDE + OFFSET.

override WG: u32; // threads of a workgroup
override X_STRIDE: u32;
override X_OFFSET: u32;
override OUT_STRIDE: u32;
override OUT_OFFSET: u32;

@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
