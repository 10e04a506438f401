//! Bytes as they arrive, cut into lines.

/// Bytes of a watch or of a log, line by line.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    read: usize,
}

impl Lines {
    /// More bytes came.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line that is not blank.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self.buffer.get(self.read..)?;
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let line = rest.get(..end)?.to_vec();
            self.read += end + 1;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    /// The line that is still coming is longer than so many bytes already.
    pub(super) fn rest_exceeds(&self, most: usize) -> bool {
        self.buffer.len() - self.read > most
    }
}
