//! A formula from a user inside a host application: parse it, show what is wrong with it, and evaluate value and
//! derivatives many times, by name once and by position in the loop.
//!
//! `cargo run --release --example embed`

use chainrule::{Error, Program};

fn main() -> Result<(), Error> {
    // What a user typed into a settings dialog. Errors display with the place and the remedy.
    if let Err(error) = Program::parse("spring*(x - rest)^2/2 + 2y") {
        println!("{error}\n");
    }

    let program = Program::parse("energy = spring*(x - rest)^2/2 + charge/x")?;
    let names: Vec<&str> = program.arguments().iter().map(|argument| argument.name.as_str()).collect();
    println!("arguments, in the order of calls: {}", names.join(", "));

    // The force on a particle is minus the derivative by `x` alone.
    let slope = program.gradient().wrt(["x"]).compile()?;
    let mut point = program.point([("spring", 2.0), ("rest", 1.0), ("charge", 0.5), ("x", 1.0)])?;
    let place = names.iter().position(|name| *name == "x").unwrap_or(0);
    for step in 0..5 {
        point[place] = 1.0 + 0.1 * f64::from(step);
        let mut derivative = [0.0];
        let energy = slope.call(&point, &mut derivative)?;
        println!("x = {:.1}   energy = {energy:.6}   force = {:+.6}", point[place], -derivative[0]);
    }

    // Compiled code is cheap to clone and can be called from any thread.
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (slope, mut point) = (slope.clone(), point.clone());
            std::thread::spawn(move || {
                point[place] = 2.0 + f64::from(worker);
                let mut derivative = [0.0];
                slope.call(&point, &mut derivative).map(|_| -derivative[0])
            })
        })
        .collect();
    for worker in workers {
        if let Ok(force) = worker.join() {
            println!("force from a thread: {:+.6}", force?);
        }
    }
    Ok(())
}
