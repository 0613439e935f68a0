use chainrule::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (ast, w) = match syntax::parse(&a[1], &Limits::default()) {
        Ok(x) => x,
        Err(p) => {
            println!("{}", error::Error::new("formula", &a[1], p));
            return;
        }
    };
    println!("{:?}", w);
    let l = match lower::lower(&ast, &Limits::default()) {
        Ok(x) => x,
        Err(p) => {
            println!("{}", error::Error::new("formula", &a[1], p));
            return;
        }
    };
    println!("{:?}", l.warnings);
    let f = opt::compact(&l.func);
    print!("{f}");
    let wrt: Vec<usize> = (0..f.params.len()).collect();
    let g = ad::gradient(&f, &wrt, ad::Mode::Reverse);
    print!("{g}");
    ir::verify::verify(&g).unwrap();
    assert_eq!(ir::parse::parse(&g.to_string()).unwrap().to_string(), g.to_string());
    let args: Vec<f64> = a[2..].iter().map(|s| s.parse().unwrap()).collect();
    let mut out = vec![0.0; g.results.len()];
    println!("{:?}", interp::eval(&g, &args, &mut out));
    println!("{out:?}");
}
