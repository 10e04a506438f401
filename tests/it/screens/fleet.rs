//! The Fleet screen.

use super::world::*;

#[test]
fn look() {
    let mut story = Story::new(80, 24);
    println!("{}", story.screen());
    fleet(&mut story, &[gitlab(), dragonfly()], &[cache()]);
    story.after(7);
    println!("{}", story.screen());
    story.resize(200, 60);
    println!("{}", story.text());
    story.press("enter");
    println!("{}", story.text());
    story.resize(80, 24);
    println!("{}", story.screen());
    story.press("x");
    println!("{}", story.text());
    story.press("esc ?");
    println!("{}", story.text());
    story.press("esc :");
    println!("{}", story.text());
    panic!();
}
