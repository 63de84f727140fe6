// fn(x), by FN, of every component of Numbers; kernels/reference/map.ts defines the functions. The including kernel
// declares the type Numbers and binds the learned scalars of the function as scalar0[0], scalar1[0], ...

fn mapped(x: Numbers) -> Numbers {
  #if FN == silu
  return x / (1f + exp(-x));
  #end
  #if FN == gelu
  // (1 + tanh z) / 2 is sigmoid(2 z); the bound keeps exp finite.
  return x / (1f + exp(min(-x * (1.5957691216f + 0.07135481283f * x * x), Numbers(80f))));
  #end
  #if FN == gelu-erf
  // erf by Abramowitz & Stegun 7.1.26, whose error is at most 1.5e-7.
  let z = abs(x) * 0.7071067811865476f;
  let t = 1f / (1f + 0.3275911f * z);
  let sum = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  let tail = 0.5f * x * sum * exp(-z * z);
  return select(tail, x - tail, x > Numbers(0));
  #end
  #if FN == softcap
  return scalar0[0] * tanh(clamp(x / scalar0[0], Numbers(-10f), Numbers(10f)));
  #end
  #if FN == sigmoid
  return 1f / (1f + exp(min(-x, Numbers(80f))));
  #end
  #if FN == softplus
  // log(1 + y) is 2 artanh(s): a series in s, which is at most 1/3. WGSL's log is less precise near 1.
  let y = exp(-abs(x));
  let s = y / (2f + y);
  let q = s * s;
  let high = ((2f / 15f * q + 2f / 13f) * q + 2f / 11f) * q + 2f / 9f;
  return max(x, Numbers(0)) + s * ((((high * q + 2f / 7f) * q + 2f / 5f) * q + 2f / 3f) * q + 2f);
  #end
  #if FN == relu-squared
  return max(x, Numbers(0)) * max(x, Numbers(0));
  #end
  #if FN == multiply
  return scalar0[0] * x;
  #end
  #if FN == xielu
  return select(scalar1[0] * (exp(x) - 1f - x), scalar0[0] * x * x, x > Numbers(0)) + 0.5f * x;
  #end
}
