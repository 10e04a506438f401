//! The kubeconfig of a lab on disk: where it was asked for, or in a folder that goes with the lab.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::lab::kubeconfig::is_a_labs;
use crate::lab::{Lab, LabError};

/// A kubeconfig that has been written.
pub(super) struct Written {
    /// Where it is, from the root.
    pub(super) path: PathBuf,
    /// The folder that goes with it, unless the person chose the place.
    _passing: Option<Passing>,
}

/// Whether a lab may write its kubeconfig to this file: a kubeconfig with other clusters in it is somebody's work.
///
/// # Errors
/// A sentence that says what is there.
pub(super) fn may_write(path: &Path) -> Result<(), String> {
    match fs::read_to_string(path) {
        Ok(text) if is_a_labs(&text) => Ok(()),
        // What cannot be read as text is not a lab's either.
        Ok(_) => Err(foreign(path)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(foreign(path)),
        // Not there, or for other reasons not to be read: writing it will say so.
        Err(_) => Ok(()),
    }
}

fn foreign(path: &Path) -> String {
    format!(
        "{} is there and holds other things than a lab's kubeconfig; it is left as it is: name another file, or remove it",
        path.display()
    )
}

/// Writes the kubeconfig of a lab, to `wanted` or to a folder of its own.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(lab: &Lab, wanted: Option<&Path>) -> Result<Written, LabError> {
    let (path, passing) = match wanted {
        Some(path) => {
            let absolute = std::path::absolute(path);
            (absolute.unwrap_or_else(|_| path.to_owned()), None)
        }
        None => {
            let passing = Passing::new()?;
            (passing.0.join("kubeconfig"), Some(passing))
        }
    };
    write_private(&path, &lab.kubeconfig()).map_err(|source| LabError::File {
        verb: "write",
        path: path.display().to_string(),
        source,
    })?;
    Ok(Written {
        path,
        _passing: passing,
    })
}

/// A folder that is removed when it is dropped.
pub(super) struct Passing(PathBuf);

impl Passing {
    fn new() -> Result<Self, LabError> {
        let path = Self::place(std::process::id());
        // Left by a process of the same number.
        let _ = fs::remove_dir_all(&path);
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            folder.mode(0o700);
        }
        // Not one that is there: the temporary folder is everybody's, and so may be what lies in it.
        folder.create(&path).map_err(|source| LabError::File {
            verb: "make",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(path))
    }

    fn place(pid: u32) -> PathBuf {
        std::env::temp_dir().join(format!("darner-lab-{pid}"))
    }

    /// Removes what a lab that was killed has left.
    pub(super) fn sweep(pid: u32) {
        // It may have had none.
        let _ = fs::remove_dir_all(Self::place(pid));
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_labs_own_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let ours = "clusters: [{name: lab-a, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                    contexts: [{name: lab-a}]\nusers: [{name: lab-a-admin}]\n";
        fs::write(at("ours"), ours).unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("mine"), ours.replace("lab-a", "eu-prod")).unwrap();
        fs::write(at("letter"), "Dear reader,\n").unwrap();
        fs::write(at("bytes"), [0xff, 0xfe, 0x00]).unwrap();
        for (name, may) in [
            ("none", true),
            ("ours", true),
            ("empty", true),
            ("mine", false),
            ("letter", false),
            ("bytes", false),
        ] {
            let answer = may_write(&at(name));
            assert_eq!(answer.is_ok(), may, "{name}: {answer:?}");
            if let Err(sentence) = answer {
                assert!(sentence.contains(name), "{sentence}");
            }
        }
    }
}
