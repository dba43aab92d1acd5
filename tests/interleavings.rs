//! Goes through the orders in which threads can meet where they share what is ours and no lock: the same source as in the
//! binary, with loom's atomics in place of the standard library's.

// Here it is a module of its own, of which this program does not use everything.
#[allow(dead_code)]
#[path = "../src/ingest/room.rs"]
mod room;

mod atomic {
    pub use loom::sync::atomic::{AtomicUsize, Ordering};
}

use loom::sync::Arc;
use loom::thread;
use room::Room;

/// R5, R20: requests that grow and end at the same time never hold more than there is, and nothing stays behind.
#[test]
fn many_never_take_more_than_there_is() {
    fn request(room: &Room, size: usize) -> bool {
        let is_taken = room.take(size);
        if is_taken {
            let taken = room.taken();
            assert!((size..=room.most()).contains(&taken), "{taken}");
            room.give_back(size);
        }
        is_taken
    }
    let mut orders = loom::model::Builder::new();
    // Of three threads there are too many orders; nearly all of what can go wrong does within two changes of the thread.
    orders.preemption_bound = Some(2);
    orders.check(|| {
        let room = Arc::new(Room::new(10));
        let others = [6, 5].map(|size| {
            let room = Arc::clone(&room);
            thread::spawn(move || request(&room, size))
        });
        let mut served = usize::from(request(&room, 4));
        for other in others {
            served += usize::from(other.join().unwrap());
        }
        // Whoever comes first finds room.
        assert!(served > 0);
        assert_eq!(room.taken(), 0);
    });
}

/// R5: a body takes of two rooms, and where the second has none, the first has its part again.
#[test]
fn what_is_refused_half_way_is_given_back() {
    loom::model(|| {
        let rooms = Arc::new((Room::new(3), Room::new(4)));
        let grow = |rooms: &(Room, Room), more: usize| {
            if !rooms.0.take(more) {
                return false;
            }
            let has_both = rooms.1.take(more);
            if !has_both {
                rooms.0.give_back(more);
            }
            has_both
        };
        let body = {
            let rooms = Arc::clone(&rooms);
            thread::spawn(move || {
                if grow(&rooms, 2) {
                    rooms.1.give_back(2);
                    rooms.0.give_back(2);
                }
            })
        };
        // Records take of the second alone.
        if rooms.1.take(3) {
            rooms.1.give_back(3);
        }
        body.join().unwrap();
        assert_eq!((rooms.0.taken(), rooms.1.taken()), (0, 0));
    });
}
