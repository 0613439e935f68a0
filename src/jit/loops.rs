//! Machine code for functions with arrays and loops.
//!
//! All sizes are constants, so that code knows where everything lies; loops stay loops, and the code doesn't grow with them. Only how
//! many rows arrays have may be open ([`crate::ir::rows`]): no address depends on it, and calls tell it.
//! What it computes is what `interp` computes, to the bit.
//!
//! - [`plan`] says what is computed in which turn of which loop, and where arrays lie.
//! - [`emit`] writes numbers, [`address`] finds elements, [`nest`] writes loops, [`pair`] those that make two turns at once.
//! - [`range`] knows which integers a value can be, [`linear`] how they move in loops.
//! - [`split`] finds loops that are kernels of [`crate::wide::rows`] and puts off additions that no turn reads, [`kernel`] makes them,
//!   [`call`] calls them; [`contraction`] finds products of matrices, kernels of [`crate::wide::matrix`].
//!
//! A call gets one piece of memory, the [`Workspace`]: the addresses of arguments and results, and every array in
//! between. What is not alive at the same time shares its place.

mod address;
mod call;
mod contraction;
mod emit;
mod kernel;
mod linear;
mod nest;
mod pair;
mod plan;
mod range;
mod split;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift::codegen::Context;
use cranelift::codegen::ir::UserFuncName;
use cranelift::prelude::{AbiParam, Signature, types};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::Module;
use memmap2::MmapMut;

use super::link::Imports;
use super::shims::Symbol;
use super::target::Target;
use super::{Effort, Error, Unfinished, dump, free};
use crate::interp::{self, Failure, Value};
use crate::ir::rows::{LEAST, room};
use crate::ir::{Func, Inst, Val};
use crate::math;
use crate::ops::{Fault, Op};
use crate::wide::Width;
use crate::wide::matrix::Product;
use crate::wide::rows::Kernel;
use address::Count;
use emit::{Layout, RECORD};
pub use plan::Role;
use plan::{Buffer, Plan};

/// Takes the address of the workspace; 0, or the number of the check that failed, plus one.
///
/// The workspace begins with the addresses of arguments and results that have the sizes of the parameters and results, and
/// is as long as the [`Layout`] says.
type Entry = unsafe extern "C" fn(*mut u8) -> u64;

/// Up to so many operations registers are allocated thoroughly.
const THOROUGH: usize = 2000;

/// The largest function, in operations: the frame of a larger one would overflow the stack of a thread.
const LARGEST: usize = 50_000;

/// Compiled code of a function with arrays. Cheap to clone, callable from any thread.
#[derive(Clone)]
pub struct LoopCode(Arc<Owner>);

/// A piece of the workspace. Pieces that aren't needed at the same time share their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The region that makes it.
    pub region: Val,
    pub role: Role,
    pub bytes: usize,
}

struct Owner {
    entry: Entry,
    layout: Layout,
    /// How many numbers each argument and each result has.
    args: Box<[Count]>,
    results: Box<[Count]>,
    /// For so many rows there is room, where their number is told by the call.
    room: Option<usize>,
    func: Func,
    pieces: Box<[Piece]>,
    /// What the code calls, in memory of their own.
    kernels: Vec<Kernel>,
    batched: usize,
    products: Vec<Arc<Product>>,
    /// The memory that the code lies in.
    module: Mutex<Option<JITModule>>,
}

impl std::fmt::Debug for LoopCode {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("LoopCode").field("workspace", &self.workspace()).finish_non_exhaustive()
    }
}

/// Memory for calls. One serves any number of calls, one after the other, of any code.
///
/// Pages that no call has written take no memory.
#[derive(Debug, Default)]
pub struct Workspace(Option<MmapMut>);

impl Workspace {
    /// A workspace of so many bytes.
    ///
    /// # Errors
    /// Where the system has no such memory.
    pub fn new(bytes: usize) -> Result<Workspace, Error> {
        let mut workspace = Workspace::default();
        workspace.grow(bytes)?;
        Ok(workspace)
    }

    /// Makes it at least so many bytes long.
    ///
    /// # Errors
    /// Where the system has no such memory.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        if self.len() < bytes {
            let memory = MmapMut::map_anon(bytes).map_err(|error| Error::Backend(error.to_string()))?;
            self.0 = Some(memory);
        }
        Ok(())
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |memory| memory.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Compiles a function with arrays. Elementary functions become part of loops ([`crate::math::expand`]); those of a large function are
/// called.
///
/// # Errors
/// Where the host is none that Cranelift knows, memory for code is refused, or the function is too large for one piece of code.
pub fn compile(func: &Func) -> Result<LoopCode, Error> {
    compile_with(func, Width::best())
}

/// The same with kernels of a width, or with none.
///
/// # Errors
/// As [`compile`].
pub fn compile_with(func: &Func, kernels: Option<Width>) -> Result<LoopCode, Error> {
    compile_products(func, kernels, contraction::WORTH)
}

/// The same where sums of products are kernels of matrices if they have at least so many multiplications, which tells nothing but time.
///
/// # Errors
/// As [`compile`].
pub fn compile_products(func: &Func, kernels: Option<Width>, least: usize) -> Result<LoopCode, Error> {
    let Prepared { func, plan, layout, target } = prepare(func, kernels, least)?;
    let mut builder = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    builder.symbol_lookup_fn(Box::new(|name| Symbol::by_name(name)?.address()));
    let mut unfinished = Unfinished(Some(JITModule::new(builder)));
    let Some(module) = &mut unfinished.0 else { unreachable!("it was put there") };
    let mut context = Context::new();
    let signature = signature(&target);
    context.func.signature = signature.clone();
    emit::emit(&func, &plan, &layout, &target, &mut context.func, &mut Imports::new(Some(module)));
    let id = module.declare_anonymous_function(&signature)?;
    module.define_function(id, &mut context)?;
    module.finalize_definitions()?;
    let address = module.get_finalized_function(id);
    // SAFETY: `emit` made the function at this address with `signature`, which says the types of `Entry` in the host's C calling
    // convention. `Owner` keeps the code in place for as long as it can be called.
    let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
    let (kernels, products) = plan.kernels();
    Ok(LoopCode(Arc::new(Owner {
        entry,
        layout,
        args: func.params.iter().map(|param| Count::of(&param.shape)).collect(),
        results: func.results.iter().map(|result| Count::of(func.shape(result.value))).collect(),
        pieces: plan.buffers.iter().map(|&Buffer { region, role, bytes, .. }| Piece { region, role, bytes }).collect(),
        room: func.open_extent().map(room),
        kernels,
        products,
        batched: plan.nests().filter(|nest| !nest.delayed.is_empty()).count(),
        func: func.into_owned(),
        module: Mutex::new(unfinished.0.take()),
    })))
}

/// The code as Cranelift gets it, as text.
///
/// # Errors
/// As [`compile`].
pub fn clif(func: &Func) -> Result<String, Error> {
    let (_, _, context) = unlinked(func)?;
    Ok(format!("{}\n", context.func.display()))
}

/// The finished code, in the host's assembly language, and the kernels that it calls.
///
/// # Errors
/// As [`compile`].
pub fn asm(func: &Func) -> Result<String, Error> {
    let (target, (kernels, products), mut context) = unlinked(func)?;
    let mut text = String::new();
    dump::assembly(&*target.isa, &mut context, &mut text)?;
    for kernel in kernels {
        text.push_str("kernel:\n");
        text.push_str(&kernel.asm());
    }
    for product in products {
        text.push_str(&format!("product: {product}\n"));
    }
    Ok(text)
}

/// The code where functions are called by name.
fn unlinked(func: &Func) -> Result<(Target, Kernels, Context), Error> {
    let Prepared { func, plan, layout, target } = prepare(func, Width::best(), contraction::WORTH)?;
    let mut context = Context::new();
    context.func.name = UserFuncName::testcase(&func.name);
    context.func.signature = signature(&target);
    emit::emit(&func, &plan, &layout, &target, &mut context.func, &mut Imports::new(None));
    Ok((target, plan.kernels(), context))
}

/// What code calls.
type Kernels = (Vec<Kernel>, Vec<Arc<Product>>);

/// What code is made from.
struct Prepared<'f> {
    func: Cow<'f, Func>,
    plan: Plan,
    layout: Layout,
    target: Target,
}

fn prepare(func: &Func, kernels: Option<Width>, least: usize) -> Result<Prepared<'_>, Error> {
    let mut func = written_out(func);
    let kernels = kernels.filter(|width| width.is_available()).map(|width| (width, least));
    if let Some(apart) = kernels.and_then(|(_, least)| contraction::apart(&func, least)) {
        func = Cow::Owned(apart);
    }
    if func.operations() > LARGEST {
        return Err(Error::Backend(format!("more than {LARGEST} operations beside loops")));
    }
    let plan = plan::plan(&func, kernels);
    let layout = Layout::new(&func, &plan);
    if i32::try_from(layout.buffers).is_err() {
        return Err(Error::Backend("too many arguments and results".to_owned()));
    }
    let effort = if func.operations() <= THOROUGH { Effort::Registers } else { Effort::Quick };
    Ok(Prepared { target: Target::host(effort)?, func, plan, layout })
}

/// The graph with its elementary functions written out, so that loops can make two turns at once; those of a large one are called.
fn written_out(func: &Func) -> Cow<'_, Func> {
    let written_out = math::expand(func);
    if written_out.operations() <= THOROUGH { Cow::Owned(written_out) } else { Cow::Borrowed(func) }
}

fn signature(target: &Target) -> Signature {
    let mut signature = Signature::new(target.isa.default_call_conv());
    signature.params.push(AbiParam::new(target.isa.pointer_type()));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

impl LoopCode {
    /// How many bytes of workspace a call needs.
    pub fn workspace(&self) -> usize {
        self.0.layout.bytes
    }

    /// What the workspace is for, in the order in which it is planned.
    pub fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }

    /// How many kernels the code calls.
    pub fn kernels(&self) -> usize {
        self.0.kernels.len()
    }

    /// In how many loops additions wait until those of several turns are made together.
    pub fn batched(&self) -> usize {
        self.0.batched
    }

    /// How many products of matrices the code calls.
    pub fn products(&self) -> usize {
        self.0.products.len()
    }

    /// What was compiled: failures name its instructions.
    pub fn func(&self) -> &Func {
        &self.0.func
    }

    /// For how many rows there is room, if calls tell how many there are.
    pub fn room(&self) -> Option<usize> {
        self.0.room
    }

    /// How many numbers each argument has, an open one in each row.
    pub fn args(&self) -> Vec<usize> {
        self.0.args.iter().map(|count| count.at(1)).collect()
    }

    /// How many numbers each result has, an open one in each row.
    pub fn results(&self) -> Vec<usize> {
        self.0.results.iter().map(|count| count.at(1)).collect()
    }

    /// Computes the results. Arguments and results are the elements of arrays, row by row; a number is a slice of one. Integers
    /// are whole numbers, conditions 0 or 1. A workspace that is too small is made larger.
    ///
    /// # Errors
    /// The first check that fails; the results are then unspecified.
    ///
    /// # Panics
    /// Where the number or the lengths of the slices aren't those of the function's parameters and results, or the system has no
    /// memory for a workspace; of a function for any number of rows.
    pub fn call(&self, args: &[&[f64]], out: &mut [&mut [f64]], workspace: &mut Workspace) -> Result<(), Failure> {
        assert!(self.0.room.is_none(), "the number of rows isn't known");
        self.call_rows(1, args, out, workspace)
    }

    /// As [`LoopCode::call`], with so many rows in the arrays whose extents are open.
    ///
    /// # Errors
    /// As [`LoopCode::call`].
    ///
    /// # Panics
    /// As [`LoopCode::call`], and where there are fewer than two rows, or there is no room for so many.
    pub fn call_rows(
        &self,
        rows: usize,
        args: &[&[f64]],
        out: &mut [&mut [f64]],
        workspace: &mut Workspace,
    ) -> Result<(), Failure> {
        let Owner { entry, layout, room, .. } = &*self.0;
        let fits = room.is_none_or(|room| (LEAST..=room).contains(&rows));
        assert!(fits, "room for all rows, of which there are two at least");
        let len = |count: &Count| count.at(rows);
        assert!(args.iter().map(|arg| arg.len()).eq(self.0.args.iter().map(len)), "an argument for each parameter");
        assert!(out.iter().map(|out| out.len()).eq(self.0.results.iter().map(len)), "room for each result");
        workspace.grow(layout.bytes).expect("memory for a workspace");
        let memory = workspace.0.as_mut().expect("it has been made").as_mut_ptr();
        let table = memory.cast::<u64>();
        for (number, arg) in args.iter().enumerate() {
            // SAFETY: the layout has a place for the address of each argument, the workspace is at least as long, and it begins
            // at a page.
            unsafe { table.add(number).write(arg.as_ptr() as u64) };
        }
        for (number, out) in out.iter_mut().enumerate() {
            // SAFETY: the same, for each result.
            unsafe { table.add(args.len() + number).write(out.as_mut_ptr() as u64) };
        }
        // SAFETY: the number of rows lies behind the record.
        unsafe { table.add(layout.rows() / 8).write(rows as u64) };
        // SAFETY: the table holds addresses of slices whose lengths were checked, the results borrowed for this call alone; the
        // workspace is as long as the layout says and this call's alone; `self` keeps the code in place.
        match unsafe { entry(memory) } {
            0 => Ok(()),
            failed => {
                // SAFETY: the record lies behind the table.
                let record = std::array::from_fn(|place| unsafe { table.add(layout.record(place) / 8).read() } as i64);
                Err(self.0.failure(failed as usize - 1, record))
            }
        }
    }
}

impl Owner {
    /// What a check that failed has recorded.
    fn failure(&self, number: usize, record: [i64; RECORD]) -> Failure {
        let site = self.func.checks[number].site;
        let count = self.func.operands(site).as_slice().len().min(RECORD);
        let operands: Vec<Value> = record[..count].iter().copied().map(Value::Int).collect();
        let fault = match self.func.inst(site) {
            Inst::Read(_) if record[0] == 0 => Fault::Missing,
            Inst::Read(_) => Fault::Outside,
            Inst::Region(_) => Fault::Endless,
            Inst::Unary(Op::ToInt, _) => Fault::NoInteger,
            inst => {
                let failed = inst.op().and_then(|op| interp::apply(op, &operands).err());
                failed.unwrap_or(Fault::Overflow)
            }
        };
        Failure::new(&self.func, site, fault, &operands)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        free(self.module.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}
