//! Channels: who hears what, in which version.

use super::{ask, heard, world};

#[test]
fn a_message_reaches_all_who_have_subscribed_in_their_version() {
    let mut world = world("");
    let (second, third, speaker) = (world.join(), world.join(), world.join());
    assert_eq!(ask(&mut world, second, "SUBSCRIBE news"), "*3 $9 subscribe $4 news :1");
    ask(&mut world, third, "HELLO 3");
    assert_eq!(ask(&mut world, third, "PSUBSCRIBE n*"), ">3 $10 psubscribe $2 n* :1");
    assert_eq!(ask(&mut world, third, "SUBSCRIBE news"), ">3 $9 subscribe $4 news :2");
    assert_eq!(ask(&mut world, speaker, "PUBLISH news hello"), ":3");
    assert_eq!(heard(&mut world, second), "*3 $7 message $4 news $5 hello");
    let expected = ">3 $7 message $4 news $5 hello >4 $8 pmessage $2 n* $4 news $5 hello";
    assert_eq!(heard(&mut world, third), expected);
    assert_eq!(ask(&mut world, speaker, "PUBLISH none hello"), ":1");
    assert_eq!(ask(&mut world, speaker, "PUBLISH other hello"), ":0");
    assert_eq!(heard(&mut world, second), "");
}

#[test]
fn who_has_left_hears_nothing_and_is_not_counted() {
    let mut world = world("");
    let (one, other, speaker) = (world.join(), world.join(), world.join());
    ask(&mut world, one, "SUBSCRIBE a b");
    ask(&mut world, other, "PSUBSCRIBE a");
    assert_eq!(ask(&mut world, speaker, "PUBSUB NUMSUB a b c"), "*6 $1 a :1 $1 b :1 $1 c :0");
    assert_eq!(ask(&mut world, one, "UNSUBSCRIBE a"), "*3 $11 unsubscribe $1 a :1");
    assert_eq!(ask(&mut world, speaker, "PUBLISH a x"), ":1");
    world.network.finish(other);
    world.settle();
    assert_eq!(ask(&mut world, speaker, "PUBLISH a x\r\nPUBSUB NUMPAT"), ":0 :0");
    assert_eq!(ask(&mut world, one, "RESET\r\nPUBSUB CHANNELS"), "+RESET *0");
}

#[test]
fn who_speaks_hears_it_before_the_answer() {
    let mut world = world("");
    let peer = world.join();
    ask(&mut world, peer, "HELLO 3\r\nSUBSCRIBE a");
    assert_eq!(ask(&mut world, peer, "PUBLISH a x"), ">3 $7 message $1 a $1 x :1");
}

#[test]
fn a_subscription_outlives_a_change_of_version() {
    let mut world = world("");
    let (peer, speaker) = (world.join(), world.join());
    ask(&mut world, peer, "HELLO 3\r\nSUBSCRIBE a\r\nPSUBSCRIBE b\r\nHELLO 2");
    assert_eq!(ask(&mut world, speaker, "PUBLISH a x\r\nPUBLISH b x"), ":1 :1");
    let expected = "*3 $7 message $1 a $1 x *4 $8 pmessage $1 b $1 b $1 x";
    assert_eq!(heard(&mut world, peer), expected);
}

#[test]
fn a_message_is_part_of_a_transaction() {
    let mut world = world("");
    let (peer, speaker) = (world.join(), world.join());
    ask(&mut world, peer, "SUBSCRIBE a");
    ask(&mut world, speaker, "MULTI\r\nPUBLISH a x");
    assert_eq!(heard(&mut world, peer), "");
    assert_eq!(ask(&mut world, speaker, "EXEC"), "*1 :1");
    assert_eq!(heard(&mut world, peer), "*3 $7 message $1 a $1 x");
    let refused = "-ERR Command not allowed inside a transaction";
    assert_eq!(ask(&mut world, speaker, "MULTI\r\nSUBSCRIBE a"), format!("+OK {refused}"));
}
