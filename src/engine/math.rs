//! Floating-point functions with the same bits on every machine.
//!
//! The standard library's `ln`, `exp`, `pow` and trigonometry differ between platforms in the last bit, which would
//! break "same scenario, same bytes". These go through `libm`, which is plain integer and IEEE arithmetic.

/// Returns the natural logarithm.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Returns ln(1 + x), exact for small `x`.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// Returns the binary logarithm.
pub fn log2(x: f64) -> f64 {
    libm::log2(x)
}

/// Returns the decimal logarithm.
pub fn log10(x: f64) -> f64 {
    libm::log10(x)
}

/// Returns e to the power of `x`.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// Returns `base` to the power of `exponent`.
pub fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// Returns the square root, correctly rounded.
pub fn sqrt(x: f64) -> f64 {
    libm::sqrt(x)
}

/// Returns the sine of an angle in radians.
pub fn sin(x: f64) -> f64 {
    libm::sin(x)
}

/// Returns the cosine of an angle in radians.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// Returns the largest whole number that is not above `x`.
pub fn floor(x: f64) -> f64 {
    libm::floor(x)
}

/// Returns the smallest whole number that is not below `x`.
pub fn ceil(x: f64) -> f64 {
    libm::ceil(x)
}

/// Returns the nearest whole number, halves away from zero.
pub fn round(x: f64) -> f64 {
    libm::round(x)
}

/// Returns the gamma function of `x`, the factorial of `x - 1`.
pub fn gamma(x: f64) -> f64 {
    libm::tgamma(x)
}

/// Returns the error function.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// Returns the value that a standard normal variable stays below with probability `p`.
///
/// Algorithm AS 241 (Wichura 1988), relative error about 1e-16. A quantile function instead of a rejection method: each
/// draw takes one number of its stream, and a larger number gives a larger draw.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(r, &NEAR);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = sqrt(-ln(tail));
    let x = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -x } else { x }
}

/// Numerator and denominator coefficients of a rational approximation, highest power first.
type Rational = [[f64; 8]; 2];

fn ratio(r: f64, coefficients: &Rational) -> f64 {
    let [numerator, denominator] =
        coefficients.map(|row| row.iter().fold(0.0, |sum, c| sum * r + c));
    numerator / denominator
}

/// AS 241, |p - 0.5| at most 0.425.
const NEAR: Rational = [
    [
        2.509_080_928_730_122_7e3,
        3.343_057_558_358_813e4,
        6.726_577_092_700_87e4,
        4.592_195_393_154_987e4,
        1.373_169_376_550_946e4,
        1.971_590_950_306_551_3e3,
        1.331_416_678_917_843_8e2,
        3.387_132_872_796_366_5,
    ],
    [
        5.226_495_278_852_854e3,
        2.872_908_573_572_194_3e4,
        3.930_789_580_009_271e4,
        2.121_379_430_158_659_7e4,
        5.394_196_021_424_751e3,
        6.871_870_074_920_579e2,
        4.231_333_070_160_091e1,
        1.0,
    ],
];

/// AS 241, further out, to a tail of exp(-25).
const MIDDLE: Rational = [
    [
        7.745_450_142_783_414e-4,
        2.272_384_498_926_918_4e-2,
        2.417_807_251_774_506e-1,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        5.475_938_084_995_345e-4,
        1.519_866_656_361_645_7e-2,
        1.481_039_764_274_800_8e-1,
        6.897_673_349_851e-1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
];

/// AS 241, the far tails.
const FAR: Rational = [
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        1.242_660_947_388_078_4e-3,
        2.653_218_952_657_612_4e-2,
        2.965_605_718_285_048_7e-1,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_7e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        7.868_691_311_456_133e-4,
        1.487_536_129_085_061_5e-2,
        1.369_298_809_227_358e-1,
        5.998_322_065_558_88e-1,
        1.0,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p: f64, expected: f64) {
        let found = normal_quantile(p);
        assert!(
            (found - expected).abs() <= 4e-15 * expected.abs(),
            "p={p} found={found} expected={expected}"
        );
    }

    #[test]
    fn normal_quantiles_agree_with_published_tables() {
        // Abramowitz and Stegun, table 26.5 and 26.6, with more digits.
        check(0.975, 1.959_963_984_540_054);
        check(0.025, -1.959_963_984_540_054);
        check(0.75, 0.674_489_750_196_081_7);
        check(0.999, 3.090_232_306_167_813_5);
        check(0.95, 1.644_853_626_951_472_7);
        check(1e-12, -7.034_483_825_301_132);
        check(0.5, 0.0);
    }

    #[test]
    fn normal_quantiles_invert_the_distribution_function() {
        for step in 1..2000 {
            let p = f64::from(step) / 2000.0;
            let x = normal_quantile(p);
            let back = 0.5 * (1.0 + erf(x / sqrt(2.0)));
            assert!((back - p).abs() < 1e-14, "p={p} back={back}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_infinite() {
        assert!(normal_quantile(0.0).is_infinite() && normal_quantile(0.0) < 0.0);
        assert!(normal_quantile(1.0).is_infinite() && normal_quantile(1.0) > 0.0);
    }
}
