fn main() {
    let text = std::env::args().nth(1).unwrap_or_default();
    match chainrule::Program::parse(&text).and_then(|program| program.gradient().graph()) {
        Ok(graph) => print!("{graph}"),
        Err(error) => eprintln!("{error}"),
    }
}
