mod journal;
mod schedule;
mod state;
