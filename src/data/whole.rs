//! Output that appears whole or not at all: written beside its place, then moved there.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, NamedTempFile};

use super::Error;

/// The temporary files that there are.
static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes the temporary files of all unfinished outputs: for a process that is about to end and drops nothing.
pub fn abandon() {
    for path in PARTS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // What can't be removed stays; there is nobody to tell.
        _ = fs::remove_file(path);
    }
}

/// A file on its way. Dropped before [`Whole::finish`], it leaves nothing.
pub struct Whole {
    path: PathBuf,
    place: Place,
}

enum Place {
    /// A file beside the final one.
    Beside { temporary: NamedTempFile, target: PathBuf },
    /// A pipe or a device, which no file can take the place of.
    Direct(File),
}

impl Whole {
    /// Begins a file.
    ///
    /// # Errors
    /// Where its directory can't be written.
    pub fn create(path: &Path) -> Result<Whole, Error> {
        let place = begin(path).map_err(|error| Error::Io { path: path.to_owned(), doing: "written", error })?;
        Ok(Whole { path: path.to_owned(), place })
    }

    /// Where other temporary files may be, on the same disk.
    pub fn directory(&self) -> &Path {
        match &self.place {
            Place::Beside { target, .. } => parent(target),
            Place::Direct(_) => Path::new("."),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&mut self) -> &mut File {
        match &mut self.place {
            Place::Beside { temporary, .. } => temporary.as_file_mut(),
            Place::Direct(file) => file,
        }
    }

    /// Makes it appear, once it is on the disk.
    ///
    /// # Errors
    /// Where the system refuses; what was there before stays.
    pub fn finish(self) -> Result<(), Error> {
        let Whole { path, place } = self;
        let failed = |error| Error::Io { path: path.clone(), doing: "written", error };
        match place {
            Place::Direct(mut file) => file.flush().map_err(failed),
            Place::Beside { temporary, target } => {
                if let Ok(old) = fs::metadata(&target) {
                    temporary.as_file().set_permissions(old.permissions()).map_err(failed)?;
                }
                temporary.as_file().sync_all().map_err(failed)?;
                // From here on it is no longer ours to remove.
                PARTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|part| part != temporary.path());
                temporary.persist(&target).map_err(|error| failed(error.error))?;
                Ok(())
            }
        }
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for Whole {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file().seek(to)
    }
}

fn begin(path: &Path) -> io::Result<Place> {
    // A link stays a link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(old) if old.is_dir() => return Err(io::Error::other("it is a directory")),
        Ok(old) if !old.is_file() => return Ok(Place::Direct(File::options().write(true).open(&target)?)),
        Ok(old) if old.permissions().readonly() => return Err(io::Error::other("it may only be read")),
        Ok(_) | Err(_) => {}
    }
    let mut builder = Builder::new();
    builder.prefix(".chainrule-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file; the process's mask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(parent(&target))?;
    PARTS.lock().unwrap_or_else(PoisonError::into_inner).push(temporary.path().to_owned());
    Ok(Place::Beside { temporary, target })
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
