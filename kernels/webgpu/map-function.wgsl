// fn(x), by FN, of every component of Numbers; kernels/reference/map.ts defines the functions. The including kernel
// declares the type Numbers and binds the learned scalars of the function as scalar0[0], scalar1[0], ...

fn mapped(x: Numbers) -> Numbers {
  #if FN == silu
  return x / (1f + exp(-x));
  #end
}
