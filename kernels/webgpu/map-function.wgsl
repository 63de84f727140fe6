// fn(x), by FN, of each of some Numbers; the functions and their definitions: kernels/reference/map.ts. Whoever includes
// this says what Numbers are, and binds the learned scalars of a function as scalar0[0], scalar1[0], ...

fn mapped(x: Numbers) -> Numbers {
  #if FN == silu
  return x / (1f + exp(-x));
  #end
}
