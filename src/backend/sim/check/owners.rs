//! Rule `oneOwner`: an object has one controller owner, and it is one that existed.

use super::{Checks, Rule};
use crate::backend::sim::object::Kind;
use crate::backend::sim::store::Change;
use crate::backend::sim::world::World;

impl Checks {
    /// Looks at the owner of a changed object.
    ///
    /// An owner that has gone may be named still, and even by a new object: a controller's cache may not know yet. But
    /// where the UID lives it must be that object's, and an owner is not replaced by another while both exist. Claims are
    /// the exception: retention policies move them between pod and StatefulSet.
    pub(super) fn owner_after(&mut self, world: &World<'_>, change: &Change) {
        let Some(new) = &change.new else { return };
        let (meta, object) = (new.meta(), (new.kind(), new.meta().name));
        let before = change.old.as_ref().and_then(|old| old.meta().owner);
        if change.old.is_some() && before.is_some() && meta.owner.is_none() {
            self.orphaned.insert(meta.uid);
        }
        let Some(owner) = meta.owner.filter(|owner| before != Some(*owner)) else { return };
        if let Some((kind, name)) = world.store.find(owner.uid)
            && (kind, name) != (owner.kind, owner.name)
        {
            let text = format!(
                "its owner {} has the UID of {}",
                world.reference(owner.kind, owner.name),
                world.reference(kind, name)
            );
            self.found(world, Rule::OneOwner, object, text);
        }
        if let Some(before) = before
            && new.kind() != Kind::PersistentVolumeClaim
            && world.store.find(before.uid).is_some()
        {
            let text = format!(
                "it had the owner {}, which exists, and got {}",
                world.reference(before.kind, before.name),
                world.reference(owner.kind, owner.name)
            );
            self.found(world, Rule::OneOwner, object, text);
        }
    }
}
