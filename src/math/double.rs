//! The functions of doubles: what the interpreter, constant folding and calls from machine code compute.
//!
//! A program for any x86-64 has no instruction for `fma` and calls a routine for it, which takes as long as the rest of a
//! function. So each function is compiled twice, and takes the instruction where the processor that it runs on has it; `fma` is rounded
//! once either way, and the bits are the same. For this the functions that it is made of are parts of it, `inline(always)`.

macro_rules! doubles {
    ($($module:ident { $($name:ident($($x:ident)*) -> $result:ty;)* })*) => {$($(
        #[doc = concat!("The value of `", stringify!($name), "`.")]
        pub fn $name($($x: f64),*) -> $result {
            #[cfg(all(target_arch = "x86_64", not(target_feature = "fma")))]
            if is_x86_feature_detected!("fma") {
                #[target_feature(enable = "fma")]
                fn fused($($x: f64),*) -> $result {
                    super::$module::$name($($x),*)
                }
                // SAFETY: the processor has the instructions, as was just asked.
                return unsafe { fused($($x),*) };
            }
            super::$module::$name($($x),*)
        }
    )*)*};
}

doubles! {
    exponential {
        exp(x) -> f64;
        exp2(x) -> f64;
        expm1(x) -> f64;
    }
    logarithm {
        ln(x) -> f64;
        log1p(x) -> f64;
        log2(x) -> f64;
        log10(x) -> f64;
        xlogy(x y) -> f64;
    }
    power {
        pow(x y) -> f64;
    }
    roots {
        cbrt(x) -> f64;
        hypot(a b) -> f64;
    }
    circular {
        sin(x) -> f64;
        cos(x) -> f64;
        sin_cos(x) -> (f64, f64);
        tan(x) -> f64;
        sinc(x) -> f64;
    }
    arcs {
        asin(x) -> f64;
        acos(x) -> f64;
        atan(x) -> f64;
        atan2(y x) -> f64;
    }
    hyperbolic {
        sinh(x) -> f64;
        cosh(x) -> f64;
        tanh(x) -> f64;
        asinh(x) -> f64;
        acosh(x) -> f64;
        atanh(x) -> f64;
    }
    error {
        erf(x) -> f64;
        erfc(x) -> f64;
    }
    logistic {
        sigmoid(x) -> f64;
        sigmoid_slope(x) -> f64;
        softplus(x) -> f64;
        silu(x) -> f64;
        logit(x) -> f64;
    }
}
