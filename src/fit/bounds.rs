//! Bounds: parameters stay between them, by projection.

/// The least and the greatest value of each parameter; infinite where there is none.
#[derive(Clone, Debug)]
pub struct Bounds(pub Vec<(f64, f64)>);

impl Bounds {
    /// Puts each parameter at the nearest value between its bounds.
    pub fn project(&self, params: &mut [f64]) {
        for (param, &(least, most)) in params.iter_mut().zip(&self.0) {
            // Not `clamp`: what is no number stays so.
            if *param < least {
                *param = least;
            } else if *param > most {
                *param = most;
            }
        }
    }

    /// Whether a parameter is at one of its bounds.
    pub fn is_at(&self, index: usize, param: f64) -> bool {
        let (least, most) = self.0[index];
        param == least || param == most
    }

    /// The parameters that are free to go downhill: not those at a bound beyond which the loss would fall.
    pub fn free(&self, params: &[f64], slope: &[f64]) -> Vec<usize> {
        let is_free = |&index: &usize| {
            let (least, most) = self.0[index];
            !(params[index] == least && slope[index] >= 0.0 || params[index] == most && slope[index] <= 0.0)
        };
        (0..params.len()).filter(is_free).collect()
    }
}
