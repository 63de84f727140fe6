// fn(x), by FN, of every component of Numbers; kernels/reference/map.ts defines the functions. The including kernel
// declares the type Numbers and binds the learned scalars of the function as scalar0[0], scalar1[0], ...

fn mapped(x: Numbers) -> Numbers {
  #if FN == silu
  return x / (1f + exp(-x));
  #end
  #if FN == xielu
  return select(scalar1[0] * (exp(x) - 1f - x), scalar0[0] * x * x, x > Numbers(0)) + 0.5f * x;
  #end
}
