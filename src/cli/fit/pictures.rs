//! The pictures of a fit: how the loss fell, and the data with the curve that was fitted to them.
//!
//! A residual is its response `y` plus or minus a model of the predictor `x`, so the model is, up to its sign, the residual at `y = 0`.

use std::path::PathBuf;

use chainrule::data::whole::Whole;
use chainrule::fit::{Fit, Fitted};
use chainrule::plot::{self, Picture, Sampled};
use chainrule::syntax::canonical_name;
use chainrule::{Argument, Array, ArrayView, Error, Program};
use clap::Args;

use super::Named;
use crate::cli::fault::Fault;
use crate::cli::{plot as command, table};

#[derive(Args)]
pub struct Options {
    /// Draws how the loss falls from iteration to iteration, as SVG
    #[arg(long, value_name = "PATH")]
    loss_curve: Option<PathBuf>,
    /// Draws the data and the fitted curve, as SVG. For residuals with one predictor, as in `y - a*exp(-b*x)`
    #[arg(long, value_name = "PATH")]
    fitted_curve: Option<PathBuf>,
}

/// More dots make a file that nothing shows.
const MOST_POINTS: usize = 5_000;

/// Pictures to be, whose places are there.
pub struct Pictures<'a> {
    loss_curve: Option<Whole>,
    fitted_curve: Option<(Whole, Curve<'a>)>,
}

/// What a fit is given, besides its parameters.
pub struct Given<'a> {
    pub program: &'a Program,
    /// Columns of a table.
    pub columns: &'a [(String, Vec<f64>)],
    /// Whole arrays.
    pub arrays: &'a Named,
    /// Numbers and arrays, the starts of parameters among them.
    pub at: &'a Named,
    pub sizes: &'a [(String, i64)],
}

impl Options {
    /// Finds what can be drawn, before the fit begins. No picture goes where the parameters are saved.
    pub fn begin<'a>(&self, fit: &Fit, given: Given<'a>, save: Option<&PathBuf>) -> Result<Pictures<'a>, Fault> {
        let files = [self.loss_curve.as_ref(), self.fitted_curve.as_ref(), save];
        let is_twice = |file: &&PathBuf| files.iter().filter(|other| **other == Some(*file)).count() > 1;
        if let Some(file) = files.iter().copied().flatten().find(is_twice) {
            let message = format!("`{}` is to be written twice", file.display());
            return Err(Fault::usage(message, "give the parameters and each picture a file of their own"));
        }
        let curve = match &self.fitted_curve {
            Some(path) => Some((super::place(path)?, Curve::new(fit, given)?)),
            None => None,
        };
        let loss_curve = self.loss_curve.as_ref().map(|path| super::place(path)).transpose()?;
        Ok(Pictures { loss_curve, fitted_curve: curve })
    }
}

impl Pictures<'_> {
    /// Draws and writes them.
    pub fn finish(self, program: &Program, fitted: &Fitted) -> Result<(), Fault> {
        let title = table::title(program);
        if let Some(place) = self.loss_curve {
            let points = |loss: fn(&chainrule::fit::Step) -> Option<f64>| -> Vec<(f64, f64)> {
                fitted.history.iter().filter_map(|step| Some((step.iteration as f64, loss(step)?))).collect()
            };
            let held_out = points(|step| step.validation);
            let held_out = (!held_out.is_empty()).then_some(held_out);
            let picture = plot::loss_curve(&points(|step| Some(step.loss)), held_out.as_deref());
            command::put(place, &Picture { title: title.clone(), ..picture }.svg())?;
        }
        if let Some((place, curve)) = self.fitted_curve {
            command::put(place, &Picture { title, ..curve.picture(fitted)? }.svg())?;
        }
        Ok(())
    }
}

/// A model of one predictor, with the data.
struct Curve<'a> {
    given: Given<'a>,
    predictor: &'a Argument,
    response: &'a Argument,
    /// Whether the response is added in the residual.
    is_added: bool,
    points: Vec<(f64, f64)>,
    range: (f64, f64),
}

impl<'a> Curve<'a> {
    fn new(fit: &Fit, given: Given<'a>) -> Result<Curve<'a>, Fault> {
        let refused = |what: &str| {
            let help = "a curve is fitted to residuals with one predictor, as in 'y - a*exp(-b*x)' with the columns x and y; \
                        `chainrule plot` draws any function";
            Fault::usage(format!("there is no fitted curve to draw: {what}"), help)
        };
        let Some((response, is_added)) = fit.response()? else {
            return Err(refused("the program is not an argument of the data plus or minus a model of the others"));
        };
        let fitted = fit.names()?;
        let is_given = |name: &str| given.columns.iter().any(|(column, _)| column == name);
        let is_data = |argument: &&Argument| match given.columns {
            [] => !argument.extents.is_empty() && !fitted.contains(&argument.name),
            _ => is_given(&argument.name),
        };
        let data: Vec<&'a Argument> = given.program.arguments().iter().filter(is_data).collect();
        let (responses, predictors): (Vec<_>, Vec<_>) = data.into_iter().partition(|each| each.name == response);
        let (&[response], &[predictor]) = (responses.as_slice(), predictors.as_slice()) else {
            return Err(refused(&format!("there are {} predictors beside `{response}`", predictors.len())));
        };
        let [xs, ys] = [predictor, response].map(|argument| given.values(&argument.name));
        if xs.len() != ys.len() || predictor.extents.len() != response.extents.len() {
            return Err(refused(&format!("`{}` has not one number for each of `{}`", predictor.name, response.name)));
        }
        let (from, to) =
            xs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        if !plot::is_range(from, to) {
            return Err(refused(&format!("`{}` has no two different numbers that an axis can show", predictor.name)));
        }
        let points = xs.iter().copied().zip(ys.iter().copied()).collect();
        Ok(Curve { given, predictor, response, is_added, points, range: (from, to) })
    }

    fn picture(&self, fitted: &Fitted) -> Result<Picture, Fault> {
        let params: Vec<(String, Array)> =
            fitted.arguments().filter_map(|(name, ..)| Some((name.to_owned(), fitted.array(name)?))).collect();
        let sampled = match self.values_at_data(&params)? {
            Some(values) => self.through(&values),
            None => {
                let model = |xs: &[f64]| {
                    let values: Result<Vec<f64>, Error> =
                        xs.iter().map(|&x| Ok(self.model(&params, &[x], &[0.0])?[0])).collect();
                    Ok::<_, Error>(vec![values?])
                };
                plot::sample(self.range.0, self.range.1, model)?
            }
        };
        let step = self.points.len().div_ceil(MOST_POINTS);
        let shown = self.points.iter().copied().step_by(step).collect();
        let mut picture = plot::fitted(&self.predictor.name, &self.response.name, shown, sampled);
        if step > 1 {
            picture.series[0].name = format!("data, every {step}th");
        }
        Ok(picture)
    }

    /// The model for all data at once, of lists whose elements it doesn't compute one by one, as a recurrence does: such a model is not a curve,
    /// and is known at the data only.
    fn values_at_data(&self, params: &Named) -> Result<Option<Vec<f64>>, Error> {
        if self.predictor.extents.is_empty() {
            return Ok(None);
        }
        let (xs, ys): (Vec<f64>, Vec<f64>) = self.points.iter().copied().unzip();
        let together = self.model(params, &xs, &ys)?;
        for (&(x, y), value) in self.points.iter().zip(&together) {
            // A single element may be too few for the program.
            match self.model(params, &[x], &[y]) {
                Ok(alone) if (alone[0] - value).abs() <= 1e-9 * (1.0 + y.abs() + value.abs()) => {}
                Ok(_) | Err(_) => return Ok(Some(together)),
            }
        }
        Ok(None)
    }

    /// A line through the model's values at the data.
    fn through(&self, values: &[f64]) -> Sampled {
        let mut points: Vec<(f64, f64)> = self.points.iter().zip(values).map(|(&(x, _), &value)| (x, value)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &y| (a.min(y), b.max(y)));
        Sampled { curves: vec![points], y_range: (low, high) }
    }

    /// The model for these values of the predictor, from the residuals with these of the response.
    fn model(&self, params: &Named, xs: &[f64], ys: &[f64]) -> Result<Vec<f64>, Error> {
        let Given { program, arrays, at, sizes, .. } = &self.given;
        let own = [(&self.predictor.name, xs), (&self.response.name, ys)];
        let is_number = self.predictor.extents.is_empty();
        let mut call = program.value().by_name();
        for (name, array) in params {
            call = call.with(name.as_str(), array);
        }
        let is_param = |name: &str| params.iter().any(|(param, _)| param == name);
        for (name, array) in arrays.iter().chain(at.iter()) {
            let name = canonical_name(name);
            if !is_param(&name) && own.iter().all(|(own, _)| **own != *name) {
                call = call.with(name, array);
            }
        }
        for &(name, values) in &own {
            let value = if is_number { ArrayView::from(values[0]) } else { ArrayView::from(values) };
            call = call.with(name.as_str(), value);
        }
        let rows = self.predictor.extents.first().map(ToString::to_string);
        for (name, size) in sizes.iter().filter(|(name, _)| rows.as_ref() != Some(name)) {
            call = call.size(name, *size);
        }
        let residuals = call.run()?.into_arrays().swap_remove(0).1.data;
        let sign = if self.is_added { 1.0 } else { -1.0 };
        Ok(residuals.iter().zip(ys).map(|(residual, y)| y - sign * residual).collect())
    }
}

impl Given<'_> {
    /// The numbers of a column or list.
    fn values(&self, name: &str) -> &[f64] {
        let column = self.columns.iter().find(|(column, _)| column == name).map(|(_, values)| values.as_slice());
        let given = || self.arrays.iter().chain(self.at).find(|(given, _)| canonical_name(given) == name);
        column.or_else(|| given().map(|(_, array)| array.data.as_slice())).unwrap_or_default()
    }
}
