//! The loop: `range` over numbers, lists and maps.

use super::super::error::Fault;
use super::super::tree::Branch;
use super::super::value::{MapKind, Value};
use super::{Evaluator, Flow};

impl<'t> Evaluator<'t> {
    pub(super) fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let flow = self.nested(|evaluator| {
            let value = evaluator.pipeline(dot, &branch.pipeline)?;
            let ran = match &value {
                Value::Nil => false,
                Value::Int(count) => {
                    if branch.pipeline.variables.len() > 1 {
                        return Err(Fault::from(format!(
                            "can't use {count} to iterate over more than one variable"
                        )));
                    }
                    for index in 0..*count {
                        if evaluator.iteration(branch, &Value::Nil, &index.into())? {
                            break;
                        }
                    }
                    *count > 0
                }
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        if evaluator.iteration(branch, &index.into(), item)? {
                            break;
                        }
                    }
                    !items.is_empty()
                }
                Value::Map(map) if map.kind() != MapKind::Record => {
                    for (key, item) in map.entries() {
                        if evaluator.iteration(branch, &key.clone().into(), item)? {
                            break;
                        }
                    }
                    !map.entries().is_empty()
                }
                other => {
                    return Err(Fault::from(format!(
                        "range can't iterate over a value of type {}, allowed are lists, maps and whole numbers",
                        other.type_name()
                    )));
                }
            };
            if ran {
                Ok(Flow::Done)
            } else {
                evaluator.list(dot, &branch.otherwise)
            }
        })?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// Renders the body for one element; true if it asks to leave the loop.
    fn iteration(
        &mut self,
        branch: &'t Branch,
        index: &Value,
        element: &Value,
    ) -> Result<bool, Fault> {
        self.tools.charge(1)?;
        match &branch.pipeline.variables[..] {
            [] => {}
            [only] => self.assign(only, element.clone())?,
            [first, second, ..] => {
                self.assign(first, index.clone())?;
                self.assign(second, element.clone())?;
            }
        }
        let mark = self.variables.len();
        let flow = self.list(element, &branch.body)?;
        self.variables.truncate(mark);
        Ok(flow == Flow::Break)
    }
}
